import { ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'

export interface ProcessTable { readonly Titles: readonly string[]; readonly Processes: readonly (readonly string[])[] }

/** Runs the host's ps and keeps the lines of these processes. @throws `bad-ps-arguments` (invalid-argument) */
export async function topProcesses(kernel: Kernel, pids: readonly number[], psArgs = '-ef'): Promise<ProcessTable> {
  const args = psArgs.trim() === '' ? ['-ef'] : psArgs.trim().split(/\s+/)
  const { code, stdout, stderr } = await kernel.processes.run(['ps', ...args])
  if (code !== 0) throw new ShoalError('invalid-argument', 'bad-ps-arguments', `ps: ${stderr.toString().trim().split('\n', 1)[0]}`)
  return parseProcessTable(stdout.toString(), new Set(pids))
}

/** The last column takes all the rest of a line. @throws `bad-ps-arguments` when there is no PID column */
export function parseProcessTable(text: string, pids: ReadonlySet<number>): ProcessTable {
  const [header = '', ...lines] = text.split('\n').filter(line => line.trim() !== '')
  const titles = header.trim().split(/\s+/)
  const column = titles.indexOf('PID')
  if (column < 0) throw new ShoalError('invalid-argument', 'bad-ps-arguments', "Couldn't find PID field in ps output")
  const rows = lines.map(line => {
    const words = line.trim().split(/\s+/)
    return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(' ')]
  })
  return { Titles: titles, Processes: rows.filter(row => pids.has(Number(row[column]))) }
}
