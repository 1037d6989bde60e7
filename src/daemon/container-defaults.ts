import { readFileSync } from 'node:fs'
import type { ContainerDefaults } from '../../agent/engine/container/container-defaults.ts'
import { messageOf } from '../base/errors.ts'
import type { DaemonConfig } from './daemon-config.ts'
import { badConfig } from './settings/setting-types.ts'

/** What containers get by the configuration. @throws `bad-daemon-config` when a seccomp profile cannot be read */
export function containerDefaults(config: DaemonConfig): ContainerDefaults {
  return {
    ulimits: config.defaultUlimits, shmBytes: config.defaultShmBytes, ipcMode: config.defaultIpcMode, cgroupNamespace: config.defaultCgroupNamespace, init: config.init,
    noNewPrivileges: config.noNewPrivileges, seccompProfile: readProfile(config.seccompProfile),
  }
}

/** As JSON without line breaks, the way the docker CLI sends a profile. */
function readProfile(path: string): string {
  if (path === 'builtin' || path === 'unconfined' || path === '') return path === '' ? 'builtin' : path
  try {
    return JSON.stringify(JSON.parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    throw badConfig(`opening seccomp profile (${path}) failed: ${messageOf(cause)}`)
  }
}
