import assert from 'node:assert/strict'
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { NodeRole } from '../../api/swarm/specs.ts'
import { FakeClock } from '../../platform/clock/fake-clock.ts'
import { SeededRandom } from '../../platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import { markLeft } from '../left-state.ts'
import type { OwnManager } from '../own-manager.ts'
import type { SwarmState } from '../swarm-state.ts'
import type { Membership } from './own-membership.ts'
import { RoleChanges } from './role-changes.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-roles-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A host with a scripted authority: `issued` is the role it gives now; undefined: it does not answer. */
function world(name: string, role: NodeRole) {
  const clock = new FakeClock()
  const managerFolder = join(folder, name, 'manager')
  mkdirSync(managerFolder, { recursive: true })
  const authority: { issued: NodeRole | undefined } = { issued: role }
  const done: string[] = []
  let certified = role
  const manager = (): OwnManager => ({
    keeper: { [Symbol.asyncDispose]: async () => {} },
    process: { status: async () => undefined, stop: async () => { done.push('manager stopped') } },
  }) as unknown as OwnManager
  const certificates = {
    renew: async () => {
      if (authority.issued === undefined) throw new Error('no manager answers')
      certified = authority.issued
    },
    identity: () => ({ role: certified }), save: async () => {},
  } as unknown as Membership['certificates']
  let current: Membership | undefined = { state: { role } as SwarmState, certificates, agent: {} as Membership['agent'], manager: role === 'manager' ? manager() : undefined }
  let isChanging = false
  const roles = new RoleChanges({
    parts: { clock, random: new SeededRandom(1), logger: new MemoryLogger() }, folder: join(folder, name), managerFolder,
    lock: { isSealing: false, isUnsettled: false, change: () => {}, settle: () => {} },
    managers: { start: () => { done.push('manager started'); return manager() } },
    get current() { return current },
    get isChanging() { return isChanging },
    change: async work => {
      assert(!isChanging, 'two changes at once')
      isChanging = true
      try { return await work() } finally { isChanging = false }
    },
    remember: state => { if (current !== undefined) current = Object.assign(current, { state }) },
  })
  return { clock, roles, authority, done, managerFolder, roleNow: () => current?.state.role, isChanging: () => isChanging, leave: () => { current = undefined } }
}

test('a host becomes a manager as soon as its certificate says so', async () => {
  const w = world('promoted', 'worker')
  w.roles.follow('manager')
  await w.clock.advance(600)
  assert.equal(w.roleNow(), 'worker')
  w.authority.issued = 'manager'
  await w.clock.advance(600)
  assert.deepEqual([w.roleNow(), w.done], ['manager', ['manager started']])
})

test('a promotion that is taken back before it was followed leaves a worker that follows the next one', async () => {
  const w = world('taken-back', 'worker')
  w.roles.follow('manager')
  await w.clock.advance(600)
  w.roles.follow('worker')
  await w.clock.advance(600)
  assert.deepEqual([w.roleNow(), w.done, w.isChanging()], ['worker', [], false])
  w.authority.issued = 'manager'
  w.roles.follow('manager')
  await w.clock.advance(600)
  assert.equal(w.roleNow(), 'manager')
})

test('a host whose certificate says manager gets another one when the promotion was taken back', async () => {
  const w = world('half-way', 'worker')
  w.authority.issued = 'manager'
  w.roles.follow('manager')
  w.roles.follow('worker')
  await w.clock.advance(600)
  w.authority.issued = 'worker'
  await w.clock.advance(600)
  assert.deepEqual([w.roleNow(), w.done], ['worker', []])
  w.roles.follow('worker')
  assert.equal(w.isChanging(), false)
})

test('managers that do not answer are asked again, without another word from them', async () => {
  const w = world('unanswered', 'worker')
  w.authority.issued = undefined
  w.roles.follow('manager')
  await w.clock.advance(5000)
  assert.equal(w.roleNow(), 'worker')
  w.authority.issued = 'manager'
  await w.clock.advance(20_000)
  assert.equal(w.roleNow(), 'manager')
})

test('a demoted host waits until its manager was told why', async () => {
  const w = world('demoted', 'manager')
  w.authority.issued = 'worker'
  w.roles.follow('worker')
  await w.clock.advance(5000)
  assert.deepEqual([w.roleNow(), w.done], ['manager', []])
  markLeft(w.managerFolder, 'removed')
  await w.clock.advance(100)
  assert.deepEqual([w.roleNow(), w.done], ['worker', ['manager stopped']])
})

test('leaving does not wait for a demotion that waits', async () => {
  const w = world('leaving', 'manager')
  w.authority.issued = 'worker'
  w.roles.follow('worker')
  await w.clock.advance(1000)
  assert.equal(w.isChanging(), true)
  assert.equal(await w.roles.holdWhile(async () => { w.leave(); return w.isChanging() }), false)
  await w.clock.advance(20_000)
  assert.deepEqual(w.done, [])
})

test('a demotion goes on after what came first and did not end the membership', async () => {
  const w = world('refused', 'manager')
  w.authority.issued = 'worker'
  w.roles.follow('worker')
  await w.clock.advance(1000)
  await assert.rejects(w.roles.holdWhile(async () => { throw new Error('refused') }), /refused/)
  await w.clock.advance(20_000)
  assert.deepEqual([w.roleNow(), w.done], ['worker', ['manager stopped']])
})
