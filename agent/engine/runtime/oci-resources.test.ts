import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import { buildResources, parseRule } from './oci-resources.ts'

const NOTHING = { devices: [], throttles: {}, deviceWeights: [], hasBlockWeight: true }
const LIMITS: HostConfig = { Memory: 64, MemorySwap: 128, MemoryReservation: 32, MemorySwappiness: 5, OomKillDisable: true, KernelMemoryTCP: 9, NanoCpus: 5e8, CpusetCpus: '0', PidsLimit: 7, BlkioWeight: 300 }

test('what version 2 of cgroups does not know is left out, everything else is the same for both', () => {
  const common = { cpu: { quota: 50_000, period: 100_000, cpus: '0' }, pids: { limit: 7 }, blockIO: { weight: 300 } }
  const [one, two] = ([1, 2] as const).map(cgroupVersion => buildResources({ ...NOTHING, hostConfig: LIMITS, cgroupVersion }))
  assert.deepEqual({ ...one, devices: undefined }, { ...common, memory: { limit: 64, reservation: 32, swap: 128, swappiness: 5, kernelTCP: 9, disableOOMKiller: true }, devices: undefined })
  assert.deepEqual({ ...two, devices: undefined }, { ...common, memory: { limit: 64, reservation: 32, swap: 128 }, devices: undefined })
})

test('no limit is no section, and no swap accounting is no swap limit', () => {
  assert.deepEqual(Object.keys(buildResources({ ...NOTHING, hostConfig: {}, cgroupVersion: 2 })), ['devices'])
  assert.deepEqual(buildResources({ ...NOTHING, hostConfig: { Memory: 64, MemorySwap: -1 }, cgroupVersion: 1 })['memory'], { limit: 64, swap: -1 })
})

test('rates and weights of devices come with their numbers, weights only where the kernel has them', () => {
  const input = { ...NOTHING, hostConfig: {}, cgroupVersion: 1 as const, throttles: { throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 5 }] }, deviceWeights: [{ major: 8, minor: 0, weight: 10 }] }
  assert.deepEqual(buildResources(input)['blockIO'], { weightDevice: [{ major: 8, minor: 0, weight: 10 }], throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 5 }] })
  assert.deepEqual(buildResources({ ...input, hasBlockWeight: false })['blockIO'], { throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 5 }] })
})

test('a privileged container may use every device; others what is listed, after everything is denied', () => {
  assert.deepEqual(buildResources({ ...NOTHING, hostConfig: { Privileged: true }, cgroupVersion: 1 })['devices'], [{ allow: true, access: 'rwm' }])
  const rules = buildResources({ ...NOTHING, hostConfig: { DeviceCgroupRules: ['c 42:* rw'] }, cgroupVersion: 1 })['devices'] as readonly object[]
  assert.deepEqual([rules[0], rules.at(-1)], [{ allow: false, access: 'rwm' }, { allow: true, type: 'c', access: 'rw', major: 42 }])
})

test('a device rule has a type, two numbers and permissions', () => {
  assert.deepEqual(parseRule('a *:* rwm'), { allow: true, type: 'a', access: 'rwm' })
  for (const rule of ['x 1:1 r', 'c 1 r', 'c 1:1 q', 'c 1:1', '']) assert.throws(() => parseRule(rule), { code: 'invalid-config' }, rule)
})
