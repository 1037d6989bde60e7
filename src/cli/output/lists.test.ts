import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../base/errors.ts'
import { listContainers } from './container-list.ts'
import { stopOf } from './convergence.ts'
import { renderList } from './list.ts'
import { listNodes } from './node-list.ts'
import { runExitCode } from './run-exit-code.ts'

test('containers show short ids and commands unless told otherwise', () => {
  const container = { Id: 'a'.repeat(64), Command: 'sh -c "echo a long command line"', Created: 0 }
  const [short] = listContainers([container], 60_000, { noTrunc: false }).rows
  assert.deepEqual([short?.ID, short?.Command.length], ['a'.repeat(12), 22])
  const [whole] = listContainers([container], 60_000, { noTrunc: true }).rows
  assert.deepEqual([whole?.ID, whole?.Command], ['a'.repeat(64), `"${container.Command}"`])
})

test('the star behind this node is in the table only', () => {
  const listing = listNodes([{ ID: 'n10', Description: { Hostname: 'h10' } }, { ID: 'n2', Description: { Hostname: 'h2' } }], 'n2')
  assert.match(renderList(listing, {}), /\nn2 \* +h2\s*\nn10 +h10/)
  assert.equal(renderList(listing, { quiet: true }), 'n2\nn10')
  assert.deepEqual(JSON.parse(renderList(listing, { format: 'json' }).split('\n')[0] ?? ''), { ID: 'n2', Self: true, Hostname: 'h2', Status: '', Availability: '', ManagerStatus: '', EngineVersion: '' })
})

test('a rollback that was asked for may complete; one that was not is a failure', () => {
  const service = { Spec: { Name: 'web' }, UpdateStatus: { State: 'rollback_completed', Message: 'done' } } as const
  assert.equal(stopOf(service, true), undefined)
  assert.equal(stopOf(service, false), 'service web: update rollback completed: done; see: shoal service ps web')
  assert.match(stopOf({ ...service, UpdateStatus: { State: 'rollback_paused' } }, true) ?? '', /rollback paused/)
})

test('run exits as shells do when the container does not start', () => {
  const codes = ['exec: "x": executable file not found in $PATH', 'exec: "/etc": permission denied', 'open executable: Operation not permitted', 'No such image: x'].map(text => runExitCode(new ShoalError('unknown', 'api-error', text)))
  assert.deepEqual(codes, [127, 126, 126, 125])
})
