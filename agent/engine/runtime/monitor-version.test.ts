import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import { FakeKernel } from '../../kernel/fake-kernel.ts'
import { MONITOR_PROTOCOL } from '../../kernel/monitor-protocol.ts'
import { checkMonitor } from './monitor-version.ts'

/** A kernel whose monitor prints `answer`, or is not there. */
function kernelWhere(answer: string | undefined): FakeKernel {
  const kernel = new FakeKernel()
  kernel.processes.run = async () => {
    if (answer === undefined) throw new ShoalError('failed-precondition', 'spawn-failed', 'ENOENT')
    return { code: answer === '' ? 2 : 0, stdout: Buffer.from(answer), stderr: Buffer.alloc(0) }
  }
  return kernel
}

test('a monitor of the same protocol is taken', async () => {
  await checkMonitor(kernelWhere(`shoal-monitor ${MONITOR_PROTOCOL}\n`), '/m')
})

for (const [what, answer, message] of [
  ['missing', undefined, 'shoal-monitor is missing (/m): run "npm run build"'],
  ['older', `shoal-monitor ${MONITOR_PROTOCOL - 1}\n`, 'shoal-monitor is older than this daemon (/m): run "npm run build"'],
  ['too old to be asked', '', 'shoal-monitor is older than this daemon (/m): run "npm run build"'],
  ['newer', `shoal-monitor ${MONITOR_PROTOCOL + 1}\n`, 'shoal-monitor is newer than this daemon (/m): run "npm run build"'],
] as const) {
  test(`a monitor that is ${what} is refused, with what to do`, async () => {
    await assert.rejects(checkMonitor(kernelWhere(answer), '/m'), { code: 'no-monitor', message })
  })
}
