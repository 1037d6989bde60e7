import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../src/base/errors.ts'
import { LinuxModules } from './linux-modules.ts'

test('a module that is there is not asked for; one that cannot be loaded is named with what to do', async () => {
  await new LinuxModules().need('whatever', { sign: '/proc/self' })
  await assert.rejects(new LinuxModules().need('shoal_no_such_module', { sign: '/proc/no-such-sign' }), error => hasCode(error, 'kernel-module-missing') && /run "modprobe shoal_no_such_module" on this host/.test(String(error)))
})
