import { ShoalError } from '../../../src/base/errors.ts'

/** A name of an image. `familiar` is what people see ("busybox:latest"), `canonical` what is stored ("docker.io/library/busybox:latest"). */
export interface ImageReference { readonly repository: string; readonly tag: string | undefined; readonly digest: string | undefined }

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const DOMAIN = '(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?'
const REFERENCE = new RegExp(`^(?:(${DOMAIN})/)?(${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@(sha256:[a-f0-9]{64}))?$`)

/** @throws `invalid-reference` (invalid-argument) */
export function parseReference(text: string): ImageReference {
  const parts = REFERENCE.exec(text)
  if (parts === null) throw invalidReference(text)
  if (/^[0-9a-f]{64}$/.test(text)) throw new ShoalError('invalid-argument', 'invalid-reference', `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`)
  const [, domain, path = '', tag, digest] = parts
  const isDomain = domain !== undefined && (/[.:]/.test(domain) || domain === 'localhost' || domain !== domain.toLowerCase())
  const full = isDomain ? path : domain === undefined ? path : `${domain}/${path}`
  const host = isDomain ? domain : 'docker.io'
  const named = host === 'docker.io' && !full.includes('/') ? `library/${full}` : full
  return { repository: `${host === 'index.docker.io' ? 'docker.io' : host}/${named}`, tag, digest }
}

function invalidReference(text: string): ShoalError {
  const lower = REFERENCE.exec(text.toLowerCase())
  const remote = lower === null ? '' : text.slice(lower[1] === undefined ? 0 : lower[1].length + 1).replace(/[:@].*$/, '')
  const reason = remote === remote.toLowerCase() ? '' : `: repository name (${remote.includes('/') || lower?.[1] !== undefined ? remote : `library/${remote}`}) must be lowercase`
  return new ShoalError('invalid-argument', 'invalid-reference', `invalid reference format${reason}`)
}

/** "docker.io/library/busybox" to "docker.io" and "library/busybox". */
export function splitRepository(repository: string): { readonly domain: string; readonly path: string } {
  const slash = repository.indexOf('/')
  return { domain: repository.slice(0, slash), path: repository.slice(slash + 1) }
}

/** "docker.io/library/busybox" to "busybox". */
export function familiarRepository(repository: string): string {
  return repository.replace(/^docker\.io\/library\//, '').replace(/^docker\.io\//, '')
}

/** The stored key "repository:tag" or "repository@digest" for a name as typed; latest when there is neither. */
export function referenceKey(reference: ImageReference): string {
  return reference.digest !== undefined ? `${reference.repository}@${reference.digest}` : `${reference.repository}:${reference.tag ?? 'latest'}`
}

/** A stored key as people see it. */
export function familiarKey(key: string): string { return familiarRepository(key) }
