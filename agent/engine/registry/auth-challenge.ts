/** What a registry wants to see: HTTP Basic credentials, or a token of another server. */
export type AuthChallenge = { readonly kind: 'none' } | { readonly kind: 'basic' } | { readonly kind: 'bearer'; readonly realm: string; readonly service: string; readonly scope: string }

/** Reads WWW-Authenticate (RFC 9110, section 11.6.1). Bearer is preferred when both are offered. */
export function parseChallenge(header: string | undefined): AuthChallenge {
  const text = header ?? ''
  const bearer = /\bbearer\s+(.*)$/i.exec(text)?.[1]
  if (bearer !== undefined) {
    const parameters = new Map([...bearer.matchAll(/([a-zA-Z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)].map(([, key = '', quoted, plain]) => [key.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '']))
    const realm = parameters.get('realm')
    if (realm !== undefined && URL.canParse(realm)) return { kind: 'bearer', realm, service: parameters.get('service') ?? '', scope: parameters.get('scope') ?? '' }
  }
  return /\bbasic\b/i.test(text) ? { kind: 'basic' } : { kind: 'none' }
}
