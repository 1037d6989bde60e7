/** One argument of a directive: `key`, `key=value` or `key=(v1,v2)`. */
export interface Argument { readonly key: string; readonly values: readonly string[] }

/** One step of a transcript: a directive with input, and what it is to print. */
export interface Block {
  readonly line: number
  readonly command: string
  readonly args: readonly Argument[]
  readonly input: string
  readonly expected: string
}

/** Reads the format of cockroachdb/datadriven. Empty output reads as '' or 'ok', as it was written. */
export function parseTranscript(text: string): Block[] {
  const lines = text.split('\n')
  const blocks: Block[] = []
  for (let at = 0; at < lines.length;) {
    const line = at + 1
    let directive = (lines[at++] as string).trim()
    if (directive === '' || directive.startsWith('#')) continue
    while (directive.endsWith('\\')) directive = `${directive.slice(0, -1)}${(lines[at++] ?? '').trim()}`
    const input: string[] = []
    while (at < lines.length && lines[at] !== '----') input.push(lines[at++] as string)
    at++
    const isFenced = lines[at] === '----'
    if (isFenced) at++
    const expected: string[] = []
    while (at < lines.length && !(isFenced ? lines[at] === '----' && lines[at + 1] === '----' : lines[at] === '')) expected.push(lines[at++] as string)
    at += isFenced ? 2 : 1
    const [command = '', ...rest] = splitWords(directive)
    blocks.push({ line, command, args: rest.map(parseArgument), input: input.join('\n').trim(), expected: expected.join('\n') })
  }
  return blocks
}

/** Splits at blanks that are not within parentheses. */
function splitWords(text: string): string[] {
  return text.match(/(?:[^\s(]|\([^)]*\))+/g) ?? []
}

function parseArgument(word: string): Argument {
  const at = word.indexOf('=')
  if (at < 0) return { key: word, values: [] }
  const value = word.slice(at + 1)
  const isList = value.startsWith('(') && value.endsWith(')')
  const values = isList ? value.slice(1, -1).split(',').map(each => each.trim()).filter(each => each !== '') : [value]
  return { key: word.slice(0, at), values }
}
