import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(process.cwd(), 'test/coverage')

/** A row of the flags' table: `proof` names a scenario ("area: name"), or a test file, whose command lines use the flag; or why it is refused. */
export interface FlagRow { readonly command: string; readonly flag: string; readonly short: string; readonly takes: 'value' | 'switch'; readonly status: 'works' | 'refused' | 'open'; readonly proof: string }
/** A row of the operations' table; `proof` likewise. */
export interface OperationRow { readonly method: string; readonly path: string; readonly area: string; readonly status: 'works' | 'refused' | 'open'; readonly proof: string }
export interface CommandRow { readonly command: string; readonly aliases: string }

export function readTable<Row>(name: 'flags' | 'operations' | 'commands'): readonly Row[] {
  const [head = '', ...lines] = readFileSync(join(FOLDER, `${name}.tsv`), 'utf8').trimEnd().split('\n')
  const columns = head.split('\t')
  return lines.map(line => {
    const cells = line.split('\t')
    return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ''])) as Row
  })
}

export function writeTable<Row extends object>(name: 'flags' | 'operations', rows: readonly Row[]): void {
  const columns = Object.keys(rows[0] ?? {})
  writeFileSync(join(FOLDER, `${name}.tsv`), [columns, ...rows.map(row => Object.values(row) as string[])].map(cells => `${cells.join('\t')}\n`).join(''))
}
