import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeKernel } from '../../kernel/fake-kernel.ts'
import { applyLimits, cgroupWrites, updatedHostConfig } from './container-update.ts'

const MB = 1 << 20

test('zero, "" and what is missing leave a limit as it is', () => {
  const before = { Memory: 64 * MB, MemorySwap: 128 * MB, CpuShares: 512, PidsLimit: 10, RestartPolicy: { Name: 'always' as const, MaximumRetryCount: 0 } }
  assert.deepEqual(updatedHostConfig('c', before, { Memory: 0, CpuShares: 0, CpusetCpus: '', PidsLimit: null, RestartPolicy: { Name: '', MaximumRetryCount: 0 } }), before)
  assert.deepEqual(updatedHostConfig('c', before, { Memory: 32 * MB, PidsLimit: -1 }), { ...before, Memory: 32 * MB, PidsLimit: null })
  assert.deepEqual(updatedHostConfig('c', {}, { Memory: 32 * MB, MemorySwap: 64 * MB }), { Memory: 32 * MB, MemorySwap: 64 * MB })
  assert.deepEqual(updatedHostConfig('c', { MemorySwap: -1 }, { Memory: 32 * MB }), { Memory: 32 * MB, MemorySwap: -1 })
})

test('limits that contradict each other are refused', () => {
  assert.throws(() => updatedHostConfig('c', { Memory: 64 * MB, MemorySwap: 128 * MB }, { Memory: 256 * MB }), { code: 'invalid-update', message: /update the memoryswap at the same time/ })
  assert.throws(() => updatedHostConfig('c', {}, { Memory: 32 * MB }), { code: 'invalid-update', message: /update the memoryswap at the same time/ })
  assert.throws(() => updatedHostConfig('c', {}, { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } }), { code: 'invalid-config' })
  assert.throws(() => updatedHostConfig('c', { CpuQuota: 5 }, { NanoCpus: 5 }), { code: 'invalid-update' })
  assert.throws(() => updatedHostConfig('c', { NanoCpus: 5 }, { CpuPeriod: 5 }), { code: 'invalid-update' })
  assert.throws(() => updatedHostConfig('c', { AutoRemove: true }, { RestartPolicy: { Name: 'always' } }), { code: 'invalid-update', message: /AutoRemove/ })
})

test('only what changed is written, and memory in an order that the kernel takes', () => {
  const texts = (before: object, after: object, version: 1 | 2): readonly string[] => cgroupWrites(before, after, version).map(({ file, text }) => `${file}=${text}`)
  assert.deepEqual(texts({ Memory: 1 }, { Memory: 1 }, 1), [])
  assert.deepEqual(texts({ Memory: 64, MemorySwap: 128 }, { Memory: 200, MemorySwap: 300 }, 1), ['memory.memsw.limit_in_bytes=300', 'memory.limit_in_bytes=200'])
  assert.deepEqual(texts({ Memory: 200, MemorySwap: 300 }, { Memory: 64, MemorySwap: 128 }, 1), ['memory.limit_in_bytes=64', 'memory.memsw.limit_in_bytes=128'])
  assert.deepEqual(texts({}, { Memory: 64, MemorySwap: 128 }, 1), ['memory.limit_in_bytes=64', 'memory.memsw.limit_in_bytes=128'])
  assert.deepEqual(texts({}, { Memory: 64, MemorySwap: 128 }, 2), ['memory.swap.max=64', 'memory.max=64'])
  assert.deepEqual(texts({}, { NanoCpus: 1.5e9, PidsLimit: 7, CpuShares: 1024 }, 2), ['cpu.weight=39', 'cpu.max=150000 100000', 'pids.max=7'])
  assert.deepEqual(texts({ PidsLimit: 7 }, { PidsLimit: null, CpuQuota: 5000 }, 1), ['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=5000', 'pids.max=max'])
})

test('a limit that the kernel refuses takes back those before it', () => {
  const kernel = new FakeKernel()
  kernel.cgroups.write('/c', 'cpu', 'cpu.max', 'max 100000')
  kernel.cgroups.write('/c', 'pids', 'pids.max', 'max')
  const write = kernel.cgroups.write.bind(kernel.cgroups)
  kernel.cgroups.write = (cgroup, controller, file, text) => {
    if (file === 'pids.max') throw new Error('refused')
    write(cgroup, controller, file, text)
  }
  assert.throws(() => applyLimits(kernel, '/c', {}, { NanoCpus: 1e9, PidsLimit: 7 }), /refused/)
  assert.equal(kernel.cgroups.read('/c', 'cpu', 'cpu.max'), 'max 100000')
})
