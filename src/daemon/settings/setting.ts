import type { SettingType } from './setting-types.ts'

interface Named {
  /** As commander reads it: "--label <key=value>", with its short form; absent: only the file may say it. */
  readonly flag?: string
  /** In daemon.json. */
  readonly key: string
}

/** A setting that is obeyed: its value is a member of DaemonConfig, under the name of its row. */
export interface WorkingSetting<T> extends Named {
  readonly kind: 'working'
  readonly type: SettingType<T>
  readonly fallback: T
  readonly help: string
  /** Whether SIGHUP brings a new value into effect; others wait for a restart. */
  readonly reloadable: boolean
}

/** Read, checked for its type, and of no effect, which `why` says is right. */
export interface AcceptedSetting extends Named {
  readonly kind: 'accepted'
  readonly type: SettingType<unknown>
  readonly why: string
}

/** Given, the daemon does not start, and `why` says what to do instead. */
export interface RefusedSetting extends Named {
  readonly kind: 'refused'
  readonly type: SettingType<unknown>
  readonly why: string
  /** The one value that asks for nothing, such as false, and is fine. */
  readonly unless: unknown
}

export type Setting = WorkingSetting<unknown> | AcceptedSetting | RefusedSetting

/** The members that a table of settings gives to DaemonConfig. */
export type SettingValues<Table> = {
  readonly [Name in keyof Table as Table[Name] extends { readonly kind: 'working' } ? Name : never]: Table[Name] extends WorkingSetting<infer T> ? T : never
}

/** A row that works. */
export function working<T>(row: Named & { readonly type: SettingType<T>; readonly fallback: NoInfer<T>; readonly help: string; readonly reloadable?: boolean }): WorkingSetting<T> {
  return { kind: 'working', reloadable: false, ...row }
}

/** A row that is taken and changes nothing. */
export function accepted(row: Named & { readonly type: SettingType<unknown>; readonly why: string }): AcceptedSetting {
  return { kind: 'accepted', ...row }
}

/** A row that is refused unless it says what is so anyway. */
export function refused(row: Named & { readonly type: SettingType<unknown>; readonly why: string; readonly unless?: unknown }): RefusedSetting {
  return { kind: 'refused', unless: undefined, ...row }
}
