import { ShoalError } from '../../base/errors.ts'
import { renderTable } from './table.ts'

const PLACEHOLDER = /\{\{\s*(json \.|\.(\w+))\s*\}\}/g

/** What a list command shows: columns in order, and rows as objects with Docker's field names. */
export interface Listing<Row> {
  /** A column shows a field, or what a function makes of the row. */
  readonly columns: readonly (readonly [heading: string, cell: (keyof Row & string) | ((row: Row) => string)])[]
  readonly rows: readonly Row[]
}
/** `idField` is what `quiet` prints, by default ID. */
export interface ListOptions { readonly format?: string; readonly quiet?: boolean; readonly idField?: string }

/**
 * A listing as text: a table, only ids (`quiet`), JSON lines (`--format json`), or a template of fields like '{{.Name}}\t{{.Image}}'.
 * @throws ShoalError `bad-format` for a field that does not exist, or braces that are no field
 */
export function renderList<Row extends Readonly<Record<string, string | boolean>>>(listing: Listing<Row>, options: ListOptions): string {
  const { columns, rows } = listing
  const format = options.format ?? 'table'
  if (options.quiet === true) return rows.map(row => String(row[options.idField ?? 'ID'] ?? '')).join('\n')
  if (format === 'json') return rows.map(row => JSON.stringify(row)).join('\n')
  if (format === 'table') return renderTable(columns.map(([heading]) => heading), rows.map(row => columns.map(([, cell]) => typeof cell === 'function' ? cell(row) : String(row[cell] ?? ''))))
  const template = format.replace(/^table /, '').replaceAll('\\t', '\t').replaceAll('\\n', '\n')
  if (/\{\{|\}\}/.test(template.replace(PLACEHOLDER, ''))) throw new ShoalError('invalid-argument', 'bad-format', `the template ${format} holds braces that are no field: a field is written {{.Name}}, a whole row {{json .}}`)
  return rows.map(row => template.replace(PLACEHOLDER, (_whole, all: string, field: string | undefined) => {
    if (all === 'json .') return JSON.stringify(row)
    const value = row[field ?? '']
    if (value === undefined) throw new ShoalError('invalid-argument', 'bad-format', `there is no field .${field}; the fields are ${Object.keys(row).map(name => `.${name}`).join(' ')}`)
    return String(value)
  })).join('\n')
}
