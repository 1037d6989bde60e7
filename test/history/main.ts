/** npm run history -- FILE: says whether a recorded history is linearizable. Status 0: it is; 1: it is not; 2: it could not be said. */
import { readFileSync } from 'node:fs'
import { checkHistory } from './check-history.ts'
import type { Operation } from './operation.ts'
import { readHistory } from './read-history.ts'

const SHOWN_MAX = 10

function tell(line: string): void { process.stdout.write(`${line}\n`) }
function lineOf(operation: Operation): string { return `  ${JSON.stringify(operation)}` }

function main(file: string | undefined): number {
  if (file === undefined) {
    tell('usage: npm run history -- FILE   (JSON lines: client, key, kind read|write|cas, value, expected, call, return, outcome ok|fail|unknown)')
    return 2
  }
  const verdict = checkHistory(readHistory(readFileSync(file, 'utf8')))
  switch (verdict.kind) {
    case 'linearizable':
      tell(`linearizable: ${verdict.operations} operations on ${verdict.keys} keys`)
      return 0
    case 'undecided':
      tell(`undecided: gave up on key ${verdict.key} after ${verdict.steps} steps`)
      return 2
    case 'violated':
      tell(`not linearizable: key ${verdict.key}. The longest order that fits ends with`)
      for (const operation of verdict.explained.slice(-SHOWN_MAX)) tell(lineOf(operation))
      tell('and none of these fits behind it:')
      for (const operation of verdict.next.slice(0, SHOWN_MAX)) tell(lineOf(operation))
      return 1
  }
}

try {
  process.exitCode = main(process.argv[2])
} catch (error) {
  tell(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
}
