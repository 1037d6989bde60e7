import { ShoalError } from '../../../src/base/errors.ts'

export type Variables = ReadonlyMap<string, string>

/** A word as it stands: quotes and escapes resolved, variables put in. @throws `bad-substitution` (invalid-argument) */
export function expandWord(word: string, variables: Variables, escape: string): string {
  return new Expansion(word, variables, escape).run().text
}

/** As expandWord, but blanks that come from variables or stand outside quotes separate words (EXPOSE). */
export function expandWords(word: string, variables: Variables, escape: string): readonly string[] {
  return new Expansion(word, variables, escape).run().words
}

/** A document's text: variables are put in, quotes mean nothing, the escape only makes a dollar sign plain. */
export function expandDocument(text: string, variables: Variables, escape: string): string {
  return text.split(`${escape}$`).map(part => new Expansion(part, variables, escape).plain()).join('$')
}

/** Reads one word from left to right. The forms are those of Docker's own reader: $x ${x} ${x:-y} ${x-y} ${x:+y} ${x+y} ${x:?y} ${x?y} ${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/y} ${x//p/y}. */
class Expansion {
  readonly #text: string
  readonly #variables: Variables
  readonly #escape: string
  #at = 0

  constructor(text: string, variables: Variables, escape: string) {
    this.#text = text
    this.#variables = variables
    this.#escape = escape
  }

  run(): { readonly text: string; readonly words: readonly string[] } {
    const words: string[] = []
    let word: string | undefined
    let text = ''
    const add = (part: string, splits: boolean): void => {
      text += part
      if (!splits) { word = (word ?? '') + part; return }
      for (const piece of part.split(/(\s+)/)) {
        if (piece.trim() !== '') { word = (word ?? '') + piece; continue }
        if (piece === '') continue
        if (word !== undefined) words.push(word)
        word = undefined
      }
    }
    while (this.#at < this.#text.length) {
      const char = this.#next()
      if (char === "'") add(this.#singleQuoted(), false)
      else if (char === '"') add(this.#doubleQuoted(), false)
      else if (char === '$') add(this.#dollar(), true)
      else if (char === this.#escape) add(this.#at < this.#text.length ? this.#next() : this.#escape, false)
      else add(char, true)
    }
    if (word !== undefined) words.push(word)
    return { text, words }
  }

  plain(): string {
    let text = ''
    while (this.#at < this.#text.length) {
      const char = this.#next()
      text += char === '$' ? this.#dollar() : char
    }
    return text
  }

  #next(): string { return this.#text[this.#at++] ?? '' }
  #peek(): string { return this.#text[this.#at] ?? '' }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at)
    if (end < 0) throw this.#bad('unexpected end of statement while looking for matching single-quote')
    const inside = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return inside
  }

  #doubleQuoted(): string {
    let inside = ''
    for (;;) {
      if (this.#at >= this.#text.length) throw this.#bad('unexpected end of statement while looking for matching double-quote')
      const char = this.#next()
      if (char === '"') return inside
      if (char === '$') { inside += this.#dollar(); continue }
      if (char !== this.#escape) { inside += char; continue }
      const escaped = this.#next()
      // Only these lose the escape before them.
      inside += escaped === '"' || escaped === '$' || escaped === this.#escape ? escaped : char + escaped
    }
  }

  /** Behind a dollar sign. */
  #dollar(): string {
    if (this.#peek() !== '{') {
      const name = this.#name()
      return name === '' ? '$' : this.#variables.get(name) ?? ''
    }
    this.#at++
    const name = this.#name()
    if (name === '') throw this.#bad(this.#peek() === '' ? "missing ':' in substitution" : 'bad substitution')
    if (this.#peek() === '}') { this.#at++; return this.#variables.get(name) ?? '' }
    return this.#modified(name)
  }

  /** Special parameters and positions are single characters. */
  #name(): string {
    const [name = ''] = /^(?:[a-zA-Z_][a-zA-Z0-9_]*|\d+|[@*#?\-$!])/.exec(this.#text.slice(this.#at)) ?? []
    this.#at += name.length
    return name
  }

  #modified(name: string): string {
    const value = this.#variables.get(name)
    const [operator = ''] = /^(?::[-+?]|##|#|%%|%|\/\/|\/|[-+?])/.exec(this.#text.slice(this.#at)) ?? []
    if (operator === '') throw this.#bad(this.#peek() === ':' ? `unsupported modifier (${this.#text[this.#at + 1] ?? ''}) in substitution` : "missing ':' in substitution")
    this.#at += operator.length
    switch (operator) {
      case ':-': { const word = this.#inBraces(); return value === undefined || value === '' ? word : value }
      case '-': { const word = this.#inBraces(); return value ?? word }
      case ':+': { const word = this.#inBraces(); return value === undefined || value === '' ? '' : word }
      case '+': { const word = this.#inBraces(); return value === undefined ? '' : word }
      case ':?': case '?': {
        const word = this.#inBraces()
        if (value !== undefined && (value !== '' || operator === '?')) return value
        throw this.#bad(`${name}: ${word === '' ? 'not allowed to be unset' : word}`)
      }
      case '#': case '##': return withoutPrefix(value ?? '', this.#inBraces(), operator === '##')
      case '%': case '%%': return withoutSuffix(value ?? '', this.#inBraces(), operator === '%%')
      default: {
        const pattern = this.#until('/')
        const replacement = this.#inBraces()
        const wanted = new RegExp(globSource(pattern, true), operator === '//' ? 'gs' : 's')
        return (value ?? '').replace(wanted, () => replacement)
      }
    }
  }

  /** The word up to the closing brace, itself expanded. */
  #inBraces(): string { return this.#until('}') }

  #until(end: string): string {
    let word = ''
    for (;;) {
      if (this.#at >= this.#text.length) throw this.#bad(`unexpected end of statement while looking for matching ${end}`)
      const char = this.#next()
      if (char === end) return word
      if (char === "'") word += this.#singleQuoted()
      else if (char === '"') word += this.#doubleQuoted()
      else if (char === '$') word += this.#dollar()
      else if (char === this.#escape) word += this.#next()
      else word += char
    }
  }

  #bad(reason: string): ShoalError { return new ShoalError('invalid-argument', 'bad-substitution', `failed to process ${JSON.stringify(this.#text)}: ${reason}`) }
}

function withoutPrefix(value: string, pattern: string, longest: boolean): string {
  return value.replace(new RegExp(`^(?:${globSource(pattern, longest)})`, 's'), '')
}

function withoutSuffix(value: string, pattern: string, longest: boolean): string {
  const source = new RegExp(`^(?:${globSource(pattern, true)})$`, 's')
  const lengths = Array.from({ length: value.length + 1 }, (_none, at) => at)
  // The shortest ending begins last.
  for (const at of longest ? lengths : lengths.reverse()) if (source.test(value.slice(at))) return value.slice(0, at)
  return value
}

/** "*" and "?" of a shell pattern. */
function globSource(pattern: string, greedy: boolean): string {
  return pattern.replace(/[.+^${}()|[\]\\*?]/g, char => char === '*' ? greedy ? '.*' : '.*?' : char === '?' ? '.' : `\\${char}`)
}
