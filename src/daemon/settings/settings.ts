import { CONTAINER_SETTINGS } from './container-settings.ts'
import { IMAGE_SETTINGS } from './image-settings.ts'
import { LOG_SETTINGS } from './log-settings.ts'
import { NETWORK_SETTINGS } from './network-settings.ts'
import { SERVICE_SETTINGS } from './service-settings.ts'
import { SWARM_SETTINGS } from './swarm-settings.ts'
import type { Setting, SettingValues } from './setting.ts'

/**
 * Everything that dockerd can be told, by flag or in daemon.json, one row each: it works, is accepted because it asks for what is so anyway, or is refused with a reason.
 *
 * To make a setting work, turn its row (in the table of its area) into
 *     name: working({ flag: '--some-flag <value>', key: 'some-key', type: LIST, fallback: [], help: '…', reloadable: true })
 * and read `config.name` where src/daemon builds what needs it: the member's type follows from the row's `type` (setting-types.ts: TEXT, LIST, SWITCH, BYTES, MAP,
 * integerType, choiceType, or one of your own that checks). A `reloadable` setting must be read when it is used, from `LiveConfig.current`, not copied at the start.
 * Nothing else is to be done: flags, file, conflicts of both, --validate, --help and reload are made of the rows.
 */
export const SETTINGS = { ...SERVICE_SETTINGS, ...CONTAINER_SETTINGS, ...IMAGE_SETTINGS, ...NETWORK_SETTINGS, ...LOG_SETTINGS, ...SWARM_SETTINGS } as const

export type Settings = SettingValues<typeof SETTINGS>

export const SETTING_ROWS: readonly (readonly [name: string, setting: Setting])[] = Object.entries(SETTINGS)
