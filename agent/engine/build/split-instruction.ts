import { dockerfileError } from './dockerfile-error.ts'

export type KeyValue = readonly [key: string, value: string]

/** A list in JSON form; undefined when it is not written like that. @throws `bad-dockerfile` for a list of something else */
export function jsonWords(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  if (!value.every(word => typeof word === 'string')) throw dockerfileError('when using JSON array syntax, arrays must be comprised of strings only')
  return value as string[]
}

/** Words between blanks. */
export function plainWords(text: string): readonly string[] { return text.split(/[\t\v\f\r ]+/).filter(word => word !== '') }

/** Words between blanks; quotes and escapes keep blanks, and stay in the words for whoever expands them. */
export function quotedWords(text: string, escape: string): readonly string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
      continue
    }
    word = (word ?? '') + char
    if (char === escape && quote !== "'" && at + 1 < text.length) { word += text[++at] ?? ''; continue }
    if (quote === char) quote = ''
    else if (quote === '' && (char === '"' || char === "'")) quote = char
  }
  if (word !== undefined) words.push(word)
  return words
}

/** "a=b c=d", or the old form "a some words". @throws `bad-dockerfile` */
export function keyValues(text: string, keyword: string, escape: string): readonly KeyValue[] {
  const words = quotedWords(text, escape)
  if (words[0] !== undefined && !words[0].includes('=')) {
    const [, key = '', value = ''] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? []
    if (key === '') throw dockerfileError(`${keyword} must have two arguments`)
    return [[key, value]]
  }
  return words.map(word => {
    const at = word.indexOf('=')
    if (at < 0) throw dockerfileError(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`)
    return [word.slice(0, at), word.slice(at + 1)] as const
  })
}
