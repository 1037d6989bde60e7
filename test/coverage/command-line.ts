import type { CommandRow, FlagRow } from './table.ts'

/** What a command line of the docker CLI says: which command, by its full name, and which flags, by their long names; of `docker` itself too. */
export interface Parsed { readonly command: string; readonly used: readonly { readonly command: string; readonly flag: string }[] }

/** After these the first word that is no flag belongs to the container. */
const ENDS_WITH_POSITIONAL = new Set(['docker', 'docker container run', 'docker container create', 'docker container exec'])

/** Reads argument lists as the docker CLI does, from the inventory of its commands and flags. */
export class CommandLineReader {
  readonly #commands = new Map<string, string>()
  readonly #flags = new Map<string, FlagRow>()

  constructor(commands: readonly CommandRow[], flags: readonly FlagRow[]) {
    for (const { command, aliases } of commands) for (const name of [command, ...aliases.split(', ')]) if (name !== '') this.#commands.set(name, command)
    for (const row of flags) for (const name of [row.flag, row.short]) if (name !== '') this.#flags.set(`${row.command} ${name}`, row)
  }

  /** @returns undefined when it is no command of the inventory */
  read(args: readonly string[]): Parsed | undefined {
    const used: { command: string; flag: string }[] = []
    const rest = this.#flagsOf('docker', args, used)
    for (const length of [2, 1]) {
      const command = this.#commands.get(['docker', ...rest.slice(0, length)].join(' '))
      if (command === undefined || rest.length < length) continue
      this.#flagsOf(command, rest.slice(length), used)
      return { command, used }
    }
    return used.length > 0 ? { command: 'docker', used } : undefined
  }

  /** @returns what follows the flags: the first word that is none and all after it */
  #flagsOf(command: string, args: readonly string[], used: { command: string; flag: string }[]): readonly string[] {
    let at = 0
    while (at < args.length) {
      const word = args[at] ?? ''
      if (word === '--') return args.slice(at + 1)
      if (!word.startsWith('-') || word === '-') {
        if (ENDS_WITH_POSITIONAL.has(command)) return args.slice(at)
        at++
        continue
      }
      at += word.startsWith('--') ? this.#long(command, word, used) : this.#short(command, word, used)
    }
    return []
  }

  #long(command: string, word: string, used: { command: string; flag: string }[]): number {
    const name = word.split('=', 1)[0] ?? ''
    const row = this.#flags.get(`${command} ${name}`)
    if (row === undefined) return 1
    used.push({ command, flag: row.flag })
    return row.takes === 'value' && !word.includes('=') ? 2 : 1
  }

  /** `-dit`, `-p80`, `-p 80`. */
  #short(command: string, word: string, used: { command: string; flag: string }[]): number {
    for (let at = 1; at < word.length; at++) {
      const row = this.#flags.get(`${command} -${word[at]}`)
      if (row === undefined) return 1
      used.push({ command, flag: row.flag })
      if (row.takes === 'value') return at === word.length - 1 ? 2 : 1
    }
    return 1
  }
}
