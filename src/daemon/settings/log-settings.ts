import { refused } from './setting.ts'
import { MAP, TEXT } from './setting-types.ts'

/** What containers' logs go to when they do not say. */
export const LOG_SETTINGS = {
  logDriver: refused({ flag: '--log-driver <name>', key: 'log-driver', type: TEXT, unless: 'json-file', why: 'not there yet' }),
  logOptions: refused({ flag: '--log-opt <key=value>', key: 'log-opts', type: MAP, unless: {}, why: 'not there yet' }),
} as const
