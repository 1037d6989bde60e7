import { readFileSync } from 'node:fs'
import { ShoalError } from '../base/errors.ts'

/** Where the API is. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer } }

/**
 * -H, else SHOAL_HOST, else DOCKER_HOST, else unix:///run/shoal.sock. TLS as the docker CLI has it: DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.
 * @throws ShoalError `bad-host`
 */
export function resolveEndpoint(flag: string | undefined, environment: Readonly<Record<string, string | undefined>>): Endpoint {
  const text = flag ?? environment['SHOAL_HOST'] ?? environment['DOCKER_HOST'] ?? 'unix:///run/shoal.sock'
  const unix = /^unix:\/\/(\/.+)$/.exec(text)
  if (unix?.[1] !== undefined) return { kind: 'unix', path: unix[1] }
  const tcp = /^tcp:\/\/([^:/]+)(?::(\d+))?$/.exec(text)
  if (tcp?.[1] === undefined) throw new ShoalError('invalid-argument', 'bad-host', `cannot talk to ${text}: give unix:///path or tcp://host:port`)
  const certificates = environment['DOCKER_TLS_VERIFY'] === undefined ? undefined : environment['DOCKER_CERT_PATH'] ?? `${environment['HOME'] ?? ''}/.docker`
  const tls = certificates === undefined ? undefined
    : { ca: readFileSync(`${certificates}/ca.pem`), cert: readFileSync(`${certificates}/cert.pem`), key: readFileSync(`${certificates}/key.pem`) }
  return { kind: 'tcp', host: tcp[1], port: Number(tcp[2] ?? (tls === undefined ? 2375 : 2376)), ...(tls === undefined ? {} : { tls }) }
}
