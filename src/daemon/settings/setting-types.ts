import { ShoalError } from '../../base/errors.ts'

/** How the value of a setting is written, on the command line and in daemon.json. Both throw `bad-daemon-config`. */
export interface SettingType<T> {
  /** A flag that may stand alone, one that takes a word, or one that may be given many times. */
  readonly flagForm: 'switch' | 'word' | 'words'
  /** @param words all of them, at least one; a bare switch is "true" */
  fromFlag(words: readonly string[], name: string): T
  fromJson(value: unknown, name: string): T
}

/** @param check throws or returns the value to keep */
export function textType<T = string>(check: (text: string, name: string) => T): SettingType<T> {
  return {
    flagForm: 'word',
    fromFlag: (words, name) => check(words.at(-1) ?? '', name),
    fromJson: (value, name) => check(expectText(value, name), name),
  }
}

export function listType<T = string>(check: (item: string, name: string) => T): SettingType<readonly T[]> {
  const all = (items: readonly string[], name: string): readonly T[] => items.map(item => check(item, name))
  return { flagForm: 'words', fromFlag: all, fromJson: (value, name) => all(expectList(value, name), name) }
}

export const TEXT: SettingType<string> = textType(text => text)
export const LIST: SettingType<readonly string[]> = listType(item => item)

export const SWITCH: SettingType<boolean> = {
  flagForm: 'switch',
  fromFlag: (words, name) => {
    const word = words.at(-1) ?? ''
    if (/^(1|t|true)$/i.test(word)) return true
    if (/^(0|f|false)$/i.test(word)) return false
    throw badConfig(`invalid argument "${word}" for "--${name}" flag: give true or false`)
  },
  fromJson: (value, name) => {
    if (typeof value !== 'boolean') throw badConfig(`${name} must be true or false`)
    return value
  },
}

/** A whole number from `min` on. */
export function integerType(min: number): SettingType<number> {
  const check = (value: number, name: string): number => {
    if (!Number.isSafeInteger(value)) throw badConfig(`${name} must be a whole number`)
    if (value < min) throw badConfig(`invalid ${name.replaceAll('-', ' ')}: ${value}; it must be at least ${min}`)
    return value
  }
  return {
    flagForm: 'word',
    fromFlag: (words, name) => check(/^-?\d+$/.test(words.at(-1) ?? '') ? Number(words.at(-1)) : NaN, name),
    fromJson: (value, name) => check(typeof value === 'number' ? value : NaN, name),
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, 'b': 1, 'k': 2 ** 10, 'm': 2 ** 20, 'g': 2 ** 30, 't': 2 ** 40 }

/** "64M", "1GiB", "1024". */
export const BYTES: SettingType<number> = {
  flagForm: 'word',
  fromFlag: (words, name) => parseBytes(words.at(-1) ?? '', name),
  fromJson: (value, name) => (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : parseBytes(expectText(value, name), name)),
}

function parseBytes(text: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([bkmgt]?)(?:i?b)?$/i.exec(text)
  if (match === null) throw badConfig(`${name}: invalid size: '${text}'`)
  return Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1))
}

/** key=value words, or an object of strings (booleans and numbers are read as such words). */
export const MAP: SettingType<Readonly<Record<string, string>>> = {
  flagForm: 'words',
  fromFlag: (words, name) => Object.fromEntries(words.map(word => {
    const at = word.indexOf('=')
    if (at < 1) throw badConfig(`invalid argument "${word}" for "--${name}" flag: give key=value`)
    return [word.slice(0, at), word.slice(at + 1)]
  })),
  fromJson: (value, name) => {
    const object = expectObject(value, name)
    return Object.fromEntries(Object.entries(object).map(([key, item]) => {
      if (typeof item !== 'string' && typeof item !== 'boolean' && typeof item !== 'number') throw badConfig(`${name}.${key} must be a string`)
      return [key, String(item)]
    }))
  },
}

/** Any JSON; for what is refused or ignored whatever it says. `words`: the flag may be given many times. */
export const ANYTHING: SettingType<unknown> = { flagForm: 'words', fromFlag: words => words, fromJson: value => value }

export function choiceType<T extends string>(choices: readonly T[], message: (text: string) => string): SettingType<T> {
  return textType(text => {
    const found = choices.find(choice => choice === text)
    if (found === undefined) throw badConfig(message(text))
    return found
  })
}

export function expectText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw badConfig(`${name} must be a string`)
  return value
}

export function expectList(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.some(item => typeof item !== 'string')) throw badConfig(`${name} must be a list of strings`)
  return value as string[]
}

export function expectObject(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badConfig(`${name} must be an object`)
  return value as Record<string, unknown>
}

/** `bad-daemon-config` (invalid-argument). */
export function badConfig(message: string): ShoalError {
  return new ShoalError('invalid-argument', 'bad-daemon-config', message)
}
