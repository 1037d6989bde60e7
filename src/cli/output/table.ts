import Table from 'cli-table3'

/** Rows under headings in Docker's layout: columns three spaces apart, no borders. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = { 'top': '', 'top-mid': '', 'top-left': '', 'top-right': '', 'bottom': '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', 'left': '', 'left-mid': '', 'mid': '', 'mid-mid': '', 'right': '', 'right-mid': '', 'middle': '   ' }
  const table = new Table({ chars: none, style: { 'padding-left': 0, 'padding-right': 0, 'head': [], 'border': [] } })
  for (const row of [headings, ...rows]) table.push([...row])
  return table.toString().split('\n').map(line => line.trimEnd()).join('\n')
}
