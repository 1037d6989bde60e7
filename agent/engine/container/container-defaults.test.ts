import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DEFAULTS, withDefaults } from './container-defaults.ts'

const ALL = { ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }, { Name: 'core', Soft: 0, Hard: 0 }], shmBytes: 1024, ipcMode: 'shareable', cgroupNamespace: 'private', init: true, noNewPrivileges: true, seccompProfile: 'unconfined' } as const

test('without defaults nothing is added', () => { assert.deepEqual(withDefaults({ Init: false }, NO_DEFAULTS), { Init: false }) })

test('defaults fill what a container does not say', () => {
  assert.deepEqual(withDefaults({}, ALL), {
    Ulimits: ALL.ulimits, SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'], ShmSize: 1024, IpcMode: 'shareable', CgroupnsMode: 'private', Init: true,
  })
})

test('what a container says counts', () => {
  const own = { Ulimits: [{ Name: 'nofile', Soft: 7, Hard: 7 }], SecurityOpt: ['no-new-privileges=false', 'seccomp={}'], ShmSize: 5, IpcMode: 'host', CgroupnsMode: 'host', Init: false } as const
  assert.deepEqual(withDefaults(own, ALL), { ...own, Ulimits: [...own.Ulimits, ALL.ulimits[1]] })
})
