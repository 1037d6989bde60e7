import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../src/platform/clock/seeded-random.ts'
import { ManagerList } from './manager-list.ts'

const ADDRESSES = ['a:1', 'b:1', 'c:1']
const list = (seed: number): ManagerList => new ManagerList({ random: new SeededRandom(seed), addresses: ADDRESSES })

test('of managers that do not answer each one is tried before the first is tried again', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const managers = list(seed)
    for (let round = 0; round < 5; round++) {
      const tried = ADDRESSES.map(() => {
        const address = managers.pick() ?? ''
        managers.observe(address, 'bad')
        return address
      })
      assert.deepEqual([...tried].sort(), ADDRESSES)
    }
  }
})

test('a good one is picked far more often than others', () => {
  const managers = list(1)
  managers.observe('a:1', 'bad')
  for (let i = 0; i < 5; i++) managers.observe('b:1', 'good')
  const picks = Array.from({ length: 1000 }, () => managers.pick())
  const count = (address: string): number => picks.filter(each => each === address).length
  assert(count('b:1') > 1.5 * count('c:1') && count('b:1') > 2 * count('a:1'), JSON.stringify(ADDRESSES.map(count)))
})

test('what a manager says replaces the list, and nothing picks from an empty one', () => {
  const managers = list(1)
  managers.observe('a:1', 'bad')
  managers.replace([{ nodeId: 'n', addr: 'd:1', weight: 1 }])
  assert.deepEqual(managers.addresses, ['d:1'])
  assert.equal(managers.pick(), 'd:1')
  managers.replace([])
  assert.equal(managers.pick(), 'd:1')
  assert.equal(new ManagerList({ random: new SeededRandom(1), addresses: [] }).pick(), undefined)
})
