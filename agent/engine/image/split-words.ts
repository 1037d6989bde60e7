/** Splits at blanks; single and double quotes and backslashes keep them, as in a Dockerfile. */
export function splitWords(text: string): readonly string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if (char === '\\' && quote !== "'" && at + 1 < text.length) { word = (word ?? '') + (text[++at] ?? ''); continue }
    if (quote === char && quote !== '') { quote = ''; continue }
    if (quote === '' && (char === '"' || char === "'")) { quote = char; word ??= ''; continue }
    if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
      continue
    }
    word = (word ?? '') + char
  }
  if (word !== undefined) words.push(word)
  return words
}
