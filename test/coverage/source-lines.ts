/** Names of functions that run the docker CLI and fail the test unless it succeeds. */
const CALL = /\b(?:ok|must)\(/g
const LITERAL = /'((?:\\.|[^'\\])*)'|`((?:\\.|[^`\\])*)`/g
const STATEMENT_MAX = 2_000

/** The argument lists that a test's source hands to the docker CLI: the literals of each call, in order; a literal of several words counts as words. */
export function commandLinesIn(source: string): readonly (readonly string[])[] {
  return [...source.matchAll(CALL)].map(call => {
    const argument = withoutOptions(balanced(source.slice(call.index + call[0].length, call.index + call[0].length + STATEMENT_MAX)))
    return [...argument.matchAll(LITERAL)].flatMap(literal => (literal[1] ?? literal[2] ?? '').split(' ')).filter(word => word !== '')
  }).filter(line => line.length > 0)
}

/** Without an object of options. */
function withoutOptions(argument: string): string { return argument.replace(/\{ \w+: [^}]*\}/, '') }

/** The text up to the parenthesis that closes the call. */
function balanced(text: string): string {
  let depth = 1
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')' && --depth === 0) return text.slice(0, at)
  }
  return text
}
