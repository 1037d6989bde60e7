import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createConfChangeHandler } from './confchange-handler.ts'
import { parseTranscript, type Block } from './datadriven.ts'
import { createInteractionHandler, isInteractionCommand } from './interaction-handler.ts'
import { handleQuorum } from './quorum-handler.ts'

/** strict: everything but the core's log lines. text: those too. */
export type Strictness = 'strict' | 'text'
export interface Failure { readonly path: string; readonly line: number; readonly command: string; readonly expected: string; readonly actual: string }
/** skipped: blocks after a mismatch in the same file, and blocks of unknown kinds of file. */
export interface TranscriptResult { readonly kind: string; readonly path: string; readonly passed: number; readonly skipped: number; readonly failure?: Failure }

/** Runs each transcript (a .txt file with blocks) below the folder, or the one file. What kind it is, its first command tells. */
export function runTranscripts(path: string, strictness: Strictness): TranscriptResult[] {
  const files = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }).map(name => join(path, name)) : [path]
  return files.filter(file => file.endsWith('.txt')).sort().flatMap(file => {
    const text = readFileSync(file, 'utf8')
    return text.includes('\n----\n') ? [runTranscript(file, text, strictness)] : []
  })
}

/** Runs one transcript's text; stops at the first mismatch, as what follows depends on it. */
export function runTranscript(path: string, text: string, strictness: Strictness): TranscriptResult {
  const blocks = parseTranscript(text)
  const [kind, handler] = createHandler(blocks[0]?.command ?? '')
  if (handler === undefined) return { kind, path, passed: 0, skipped: blocks.length }
  for (const [passed, block] of blocks.entries()) {
    const actual = normalise(attempt(handler, block), strictness)
    const expected = normalise(block.expected, strictness)
    if (actual !== expected) {
      return { kind, path, passed, skipped: blocks.length - passed - 1, failure: { path: relative('.', path), line: block.line, command: block.command, expected, actual } }
    }
  }
  return { kind, path, passed: blocks.length, skipped: 0 }
}

function createHandler(command: string): [kind: string, handler?: (block: Block) => string] {
  if (command === 'committed' || command === 'vote') return ['quorum', handleQuorum]
  if (command === 'simple' || command === 'enter-joint' || command === 'leave-joint') return ['confchange', createConfChangeHandler()]
  return isInteractionCommand(command) ? ['interaction', createInteractionHandler()] : ['unknown']
}

/** A crash of the core is a mismatch with its message to show, not the end of the run. */
function attempt(handler: (block: Block) => string, block: Block): string {
  try {
    return handler(block)
  } catch (error) {
    return error instanceof Error ? `crashed: ${error.stack ?? error.message}` : `crashed: ${String(error)}`
  }
}

function normalise(text: string, strictness: Strictness): string {
  const lines = text.replace(/\n+$/, '').split('\n')
  const kept = strictness === 'text' ? lines : lines.filter(line => !/^\s*(DEBUG|INFO|WARN|ERROR|FATAL) /.test(line))
  const joined = kept.join('\n')
  return joined === '' ? 'ok' : joined
}
