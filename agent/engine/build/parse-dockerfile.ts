import { dockerfileError } from './dockerfile-error.ts'

/** A document inside a Dockerfile: <<EOF … EOF. */
export interface Heredoc {
  readonly name: string
  readonly content: string
  /** False when the name is quoted: nothing in it is expanded. */
  readonly expand: boolean
}

/** One instruction, its lines joined, not yet understood. */
export interface DockerfileNode {
  /** Of its first line, from 1. */
  readonly line: number
  /** As it is shown in "Step 1/2 : …". */
  readonly original: string
  /** Upper case. */
  readonly keyword: string
  /** "--from=x" */
  readonly flags: readonly string[]
  /** What follows keyword and flags. */
  readonly rest: string
  readonly heredocs: readonly Heredoc[]
}

export interface ParsedDockerfile {
  readonly nodes: readonly DockerfileNode[]
  /** "\\" or "`" */
  readonly escape: string
  readonly warnings: readonly string[]
}

/** Instructions that may have documents; "<<" means nothing in others. */
const WITH_HEREDOCS: readonly string[] = ['RUN', 'COPY', 'ADD']

/**
 * Splits a Dockerfile into instructions: parser directives, comments, continued lines, documents, flags.
 * @throws `bad-dockerfile` (invalid-argument)
 */
export function parseDockerfile(text: string): ParsedDockerfile {
  const lines = text.replace(/^\ufeff/, '').split('\n').map(line => line.replace(/\r$/, ''))
  const escape = escapeOf(lines)
  const nodes: DockerfileNode[] = []
  const empties: string[] = []
  for (let at = 0; at < lines.length;) {
    const first = at
    let line = (lines[at++] ?? '').trimStart()
    if (line === '' || line.startsWith('#')) continue
    let sawEmpty = false
    for (let joined = withoutContinuation(line, escape); joined !== undefined && at < lines.length; joined = withoutContinuation(line, escape)) {
      line = joined
      while (at < lines.length && isSkipped(lines[at] ?? '')) { sawEmpty ||= (lines[at] ?? '').trim() === ''; at++ }
      if (at >= lines.length) break
      line += lines[at++] ?? ''
    }
    line = withoutContinuation(line, escape) ?? line
    const node = nodeOf(line, first + 1)
    if (sawEmpty) empties.push(`    ${line}`)
    const { heredocs, next } = WITH_HEREDOCS.includes(node.keyword) || /^ONBUILD\s+(RUN|COPY|ADD)\s/i.test(line) ? readHeredocs(node, lines, at) : { heredocs: [], next: at }
    at = next
    nodes.push({ ...node, heredocs })
  }
  if (nodes.length === 0) throw dockerfileError('file with no instructions')
  return { nodes, escape, warnings: empties.length === 0 ? [] : [`[WARNING]: Empty continuation line found in:\n${empties.join('\n')}\n[WARNING]: Empty continuation lines will become errors in a future release.\n`] }
}

/** An instruction by itself: what ONBUILD has behind it. */
export function nodeOf(line: string, lineNumber: number): DockerfileNode {
  const [, keyword = '', tail = ''] = /^(\S+)\s*([\s\S]*)$/.exec(line.trim()) ?? []
  const { flags, rest } = splitFlags(tail.trim())
  return { line: lineNumber, original: line.trim(), keyword: keyword.toUpperCase(), flags, rest, heredocs: [] }
}

/** Directives stand before anything else; `syntax` and `check` are for other builders. */
function escapeOf(lines: readonly string[]): string {
  let escape: string | undefined
  for (const line of lines) {
    const [, key = '', value = ''] = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line.trim()) ?? []
    if (key === '') break
    if (key.toLowerCase() !== 'escape') continue
    if (escape !== undefined) throw dockerfileError('only one escape parser directive can be used')
    if (value !== '\\' && value !== '`') throw dockerfileError(`invalid escape token '${value}' does not match \` or \\`)
    escape = value
  }
  return escape ?? '\\'
}

function isSkipped(line: string): boolean { return /^\s*(#|$)/.test(line) }

/** The line without the escape at its end; undefined when it does not go on. */
function withoutContinuation(line: string, escape: string): string | undefined {
  const trimmed = line.replace(/[ \t]+$/, '')
  if (!trimmed.endsWith(escape) || trimmed.endsWith(escape + escape)) return undefined
  return trimmed.slice(0, -1)
}

function splitFlags(tail: string): { readonly flags: readonly string[]; readonly rest: string } {
  const flags: string[] = []
  let rest = tail
  for (let match = FLAG.exec(rest); match !== null; match = FLAG.exec(rest)) {
    const [all, word = ''] = match
    rest = rest.slice(all.length).trimStart()
    if (word === '--') break
    flags.push(word.replace(/"([^"]*)"|'([^']*)'/g, (_all, double: string | undefined, single: string | undefined) => double ?? single ?? ''))
  }
  return { flags, rest }
}

const FLAG = /^(--(?:[^\s"'\\]|\\.|"[^"]*"|'[^']*')*)(?=\s|$)/

const HEREDOC = /(?:^|\s)(\d*)<<(-?)(?:"([^"\s<]+)"|'([^'\s<]+)'|([^\s<"']+))/g

/** The documents that an instruction announces stand in the lines after it, in that order. */
function readHeredocs(node: DockerfileNode, lines: readonly string[], from: number): { readonly heredocs: readonly Heredoc[]; readonly next: number } {
  const heredocs: Heredoc[] = []
  let at = from
  if (node.rest.startsWith('[')) return { heredocs, next: at }
  for (const [, , dash = '', double, single, plain] of node.rest.matchAll(HEREDOC)) {
    const name = double ?? single ?? plain ?? ''
    const content: string[] = []
    for (;;) {
      const line = lines[at++]
      if (line === undefined) throw dockerfileError(`unterminated heredoc`, node.line)
      const text = dash === '' ? line : line.replace(/^\t+/, '')
      if (text === name) break
      content.push(`${text}\n`)
    }
    heredocs.push({ name, content: content.join(''), expand: plain !== undefined })
  }
  return { heredocs, next: at }
}
