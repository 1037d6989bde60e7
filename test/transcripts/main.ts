import { runTranscripts, type Strictness, type TranscriptResult } from './run-transcripts.ts'

const DATA = 'test/transcripts/data'

const args = process.argv.slice(2)
const strictness: Strictness = args.includes('--text') ? 'text' : 'strict'
const folders = args.filter(arg => !arg.startsWith('--'))
const results = (folders.length > 0 ? folders : [DATA]).flatMap(folder => runTranscripts(folder, strictness))
for (const { failure } of results) {
  if (failure !== undefined) console.log(`--- ${failure.path}:${failure.line} ${failure.command}\n--- expected\n${failure.expected}\n--- actual\n${failure.actual}\n`)
}
for (const kind of [...new Set(results.map(result => result.kind))].sort()) report(kind, results.filter(result => result.kind === kind))
report(`all (${strictness})`, results)
process.exitCode = results.length > 0 && results.every(({ failure, skipped }) => failure === undefined && skipped === 0) ? 0 : 1

function report(name: string, part: readonly TranscriptResult[]): void {
  const sum = (count: (result: TranscriptResult) => number): number => part.reduce((total, result) => total + count(result), 0)
  const failed = sum(({ failure }) => failure === undefined ? 0 : 1)
  console.log(`${name}: ${part.length} files, blocks: ${sum(({ passed }) => passed)} passed, ${failed} failed, ${sum(({ skipped }) => skipped)} skipped`)
}
