/** Promotions, demotions, leaves and removals at once, in random order, on whole managers: no accepted command costs the quorum, and in the end everybody has the role that was asked for. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { RoleWorld } from '../test/support/role-world.ts'

const SEEDS = [1, 2, 3, 4, 5, 6]
const BATCHES = 7

for (const seed of SEEDS) {
  test(`roles asked for at once come about, and the managers never lose their quorum by it (seed ${seed})`, async () => {
    await using world = await RoleWorld.start(seed, 3 + seed % 3)
    for (let batch = 0; batch < BATCHES; batch++) {
      await world.batch()
      await world.checkWritable()
    }
    world.reviveAll()
    await world.untilConverged()
  })
}

test('of two managers that are demoted at once one is left, and the last is refused', async () => {
  await using world = await RoleWorld.start(7, 2)
  await world.during(async () => { await Promise.all([world.setRole('h1', 'worker', 'h1'), world.setRole('h2', 'worker', 'h2')]) })
  assert.deepEqual(world.outcomes.map(({ code }) => code).filter(code => code === '').length, 1, JSON.stringify(world.outcomes))
  await world.untilConverged()
  const [last] = world.managers()
  assert(last !== undefined)
  await world.during(() => world.setRole(last, 'worker', last))
  assert.equal(world.outcomes.at(-1)?.code, 'last-manager')
  await world.checkWritable()
})

test('with one of three away no other is demoted, and the reason is told; the one that is away can be', async () => {
  await using world = await RoleWorld.start(8, 3)
  await world.kill('h3')
  await world.during(() => world.setRole('h2', 'worker', 'h1'))
  assert.equal(world.outcomes.at(-1)?.code, 'quorum-loss')
  assert.match(world.outcomes.at(-1)?.message ?? '', /can't remove member from the raft: this would result in a loss of quorum/)
  await world.during(() => world.setRole('h3', 'worker', 'h2'))
  assert.equal(world.outcomes.at(-1)?.code, '')
  await world.checkWritable()
  world.reviveAll()
  await world.untilConverged()
  assert.deepEqual(world.managers(), ['h1', 'h2'])
})

test('a node that is not to be a manager is not let in by a late join, and its manager says what to do', async () => {
  await using world = await RoleWorld.start(9, 3)
  await world.during(() => world.setRole('h3', 'worker', 'h1'))
  await world.untilConverged()
  const manager = await world.startUnwanted('h3')
  await world.until('it was refused', () => /is not to be a manager of this cluster: promote it first with docker node promote/.test(manager.status().error))
  assert.deepEqual(await world.during(() => world.voters()), ['h1', 'h2'])
  await world.during(() => world.setRole('h3', 'manager', 'h1'))
  await world.untilConverged()
  assert.equal(manager.status().error, '')
})
