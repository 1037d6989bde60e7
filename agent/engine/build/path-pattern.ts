/** Whether a name has characters of a pattern, as Go's filepath.Match knows them. */
export function isPattern(path: string): boolean { return /[*?[\\]/.test(path) }

/** Go's filepath.Match as a test: "*" and "?" stay within one part of the path. Undefined for a pattern that is not well formed. */
export function pathPattern(pattern: string): RegExp | undefined {
  let source = ''
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? ''
    if (char === '*') source += '[^/]*'
    else if (char === '?') source += '[^/]'
    else if (char === '\\') {
      if (++at >= pattern.length) return undefined
      source += literal(pattern[at] ?? '')
    } else if (char === '[') {
      const [all = '', negated = '', inside = ''] = /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(at)) ?? []
      if (all === '') return undefined
      source += `(?!/)[${negated}${inside.replace(/[[&~|]/g, '\\$&')}]`
      at += all.length - 1
    } else source += literal(char)
  }
  try {
    return new RegExp(`^${source}$`, 's')
  } catch {
    return undefined
  }
}

function literal(char: string): string { return char.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&') }
