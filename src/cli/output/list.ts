import { ShoalError } from '../../base/errors.ts'
import { renderTable } from './table.ts'

/** What a list command shows: columns in order, and rows as objects with Docker's field names. */
export interface Listing<Row> {
  readonly columns: readonly (readonly [heading: string, field: keyof Row & string])[]
  readonly rows: readonly Row[]
}
export interface ListOptions { readonly format?: string; readonly quiet?: boolean; readonly idField?: string }

/**
 * A listing as text: a table, only ids (`quiet`), JSON lines (`--format json`), or a template of fields like '{{.Name}}\t{{.Image}}'.
 * @throws ShoalError `bad-format` for a field that does not exist
 */
export function renderList<Row extends Readonly<Record<string, string>>>(listing: Listing<Row>, options: ListOptions): string {
  const { columns, rows } = listing
  const format = options.format ?? 'table'
  if (options.quiet === true) return rows.map(row => row[options.idField ?? 'ID'] ?? '').join('\n')
  if (format === 'json') return rows.map(row => JSON.stringify(row)).join('\n')
  if (format === 'table') return renderTable(columns.map(([heading]) => heading), rows.map(row => columns.map(([, field]) => row[field] ?? '')))
  const template = format.replace(/^table /, '').replaceAll('\\t', '\t').replaceAll('\\n', '\n')
  return rows.map(row => template.replace(/\{\{\s*(json \.|\.(\w+))\s*\}\}/g, (_whole, all: string, field: string | undefined) => {
    if (all === 'json .') return JSON.stringify(row)
    const value = row[field ?? '']
    if (value === undefined) throw new ShoalError('invalid-argument', 'bad-format', `there is no field .${field}; the fields are ${Object.keys(row).map(name => `.${name}`).join(' ')}`)
    return value
  })).join('\n')
}
