import { STATUS_CODES } from 'node:http'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'

/** A registry's answer was an error: its status and the first of the codes it gave ("MANIFEST_UNKNOWN"). `message` is what dockerd would say. */
export class RegistryRefusal extends Error {
  override readonly name = 'RegistryRefusal'
  readonly status: number
  readonly registryCode: string
  constructor(status: number, registryCode: string, message: string) {
    super(message)
    this.status = status
    this.registryCode = registryCode
  }
}

/** The registry could not be asked at all, or broke off. Another endpoint, or another try, may do better. */
export class RegistryUnreachable extends Error {
  override readonly name = 'RegistryUnreachable'
}

/** It wants a name and a password, and we have none. */
export class CredentialsMissing extends Error {
  override readonly name = 'CredentialsMissing'
  /** What was to be asked: dockerd tells it for a pull. */
  readonly url: string
  constructor(url: string) {
    super('no basic auth credentials')
    this.url = url
  }
}

const QUOTED_BODY_MAX = 500

/** @param challenge the header WWW-Authenticate */
export function refusalOf(status: number, body: string, challenge: string): RegistryRefusal {
  if (status === 401 && /error="?insufficient_scope/.test(challenge)) return new RegistryRefusal(status, 'DENIED', 'denied: requested access to the resource is denied')
  if (status < 400 || status >= 500) return new RegistryRefusal(status, '', `received unexpected HTTP status: ${status} ${STATUS_CODES[status] ?? ''}`)
  const errors = errorsIn(body)
  const [first] = errors
  if (first !== undefined) return new RegistryRefusal(status, first.code, errors.length === 1 ? textOf(first) : `errors:\n${errors.map(error => `${textOf(error)}\n`).join('')}`)
  if (status === 401) return new RegistryRefusal(status, 'UNAUTHORIZED', 'unauthorized: authentication required')
  return new RegistryRefusal(status, '', body === '' ? `error parsing HTTP ${status} response body: unexpected end of JSON input: ""` : `error parsing HTTP ${status} response body: ${JSON.stringify(body.slice(0, QUOTED_BODY_MAX))}`)
}

interface OneError { readonly code: string; readonly message: string }

function errorsIn(body: string): readonly OneError[] {
  try {
    const { errors, details } = JSON.parse(body) as { errors?: unknown; details?: unknown }
    if (Array.isArray(errors)) return errors.map(error => ({ code: String((error as Partial<OneError> | null)?.code ?? 'UNKNOWN'), message: String((error as Partial<OneError> | null)?.message ?? '') }))
    return typeof details === 'string' ? [{ code: 'UNAUTHORIZED', message: details }] : []
  } catch {
    return []
  }
}

function textOf({ code, message }: OneError): string {
  const text = code.toLowerCase().replaceAll('_', ' ')
  return message === '' ? text : `${text}: ${message}`
}

/** What failed below HTTP, in the words of Go that scripts look for: `Get "https://…": dial tcp 127.0.0.1:5000: connect: connection refused`. */
export function unreachable(method: string, url: string, error: unknown): RegistryUnreachable {
  const verb = method.charAt(0) + method.slice(1).toLowerCase()
  return new RegistryUnreachable(`${verb} "${url}": ${reasonOf(error, new URL(url))}`, { cause: error })
}

interface SocketError { readonly code?: string; readonly syscall?: string; readonly address?: string; readonly port?: number; readonly errors?: readonly unknown[]; readonly reason?: string; readonly cause?: unknown }

function reasonOf(error: unknown, url: URL): string {
  const { code = '', syscall, address, port, errors, cause } = (error ?? {}) as SocketError
  if (errors !== undefined && errors.length > 0) return reasonOf(errors[0], url)
  const host = address === undefined ? url.host : `${address.includes(':') ? `[${address}]` : address}:${port ?? ''}`
  // A name that is too long is not even looked up: EINVAL.
  if (syscall === 'getaddrinfo' && code !== 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: no such host`
  switch (code) {
    case 'ECONNREFUSED': return `dial tcp ${host}: connect: connection refused`
    case 'EHOSTUNREACH': return `dial tcp ${host}: connect: no route to host`
    case 'ENETUNREACH': return `dial tcp ${host}: connect: network is unreachable`
    case 'EAI_AGAIN': return `dial tcp: lookup ${url.hostname}: Temporary failure in name resolution`
    case 'UND_ERR_CONNECT_TIMEOUT': case 'ETIMEDOUT': return `dial tcp ${host}: i/o timeout`
    case 'UND_ERR_HEADERS_TIMEOUT': case 'UND_ERR_BODY_TIMEOUT': return 'net/http: request canceled (Client.Timeout exceeded while awaiting headers)'
    case 'ERR_SSL_WRONG_VERSION_NUMBER': case 'ERR_SSL_PACKET_LENGTH_TOO_LONG': case 'EPROTO': case 'HPE_INVALID_CONSTANT': return 'http: server gave HTTP response to HTTPS client'
    case 'UND_ERR_SOCKET': case 'ECONNRESET': return cause === undefined ? 'EOF' : reasonOf(cause, url)
    case 'SELF_SIGNED_CERT_IN_CHAIN': case 'DEPTH_ZERO_SELF_SIGNED_CERT': case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE': case 'UNABLE_TO_GET_ISSUER_CERT': case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'x509: certificate signed by unknown authority'
    case 'CERT_HAS_EXPIRED': return 'x509: certificate has expired or is not yet valid'
    case 'ERR_TLS_CERT_ALTNAME_INVALID': return `x509: certificate is not valid for ${url.hostname}`
    default: return messageOf(error)
  }
}

/** As it is shown to a client of the API. */
export function clientError(error: unknown): unknown {
  if (error instanceof RegistryUnreachable) return new ShoalError('unknown', 'registry-unreachable', error.message, { cause: error })
  if (error instanceof CredentialsMissing) return new ShoalError('unknown', 'registry-refused', error.message, { cause: error })
  if (error instanceof RegistryRefusal) return new ShoalError('unknown', 'registry-refused', error.message, { cause: error })
  return error
}
