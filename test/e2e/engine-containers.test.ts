import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { canRunContainers, createEngineFixture, logsOf, request, run, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
let fixture: EngineFixture

before(async () => { if (skip === false) fixture = await createEngineFixture() })
after(async () => { if (skip === false) await fixture[Symbol.asyncDispose]() })

test('a container runs, its exit code and output are kept, and it goes away', { skip }, async () => {
  const { engine } = fixture
  const { id, exit } = await run(engine, request(['sh', '-c', 'echo out; echo err >&2; exit 3']))
  assert.equal(await exit, 3)
  assert.equal(await logsOf(engine, id), 'out\nerr\n')
  const { State: state } = await engine.containers.inspect(id)
  assert.equal(state?.Status, 'exited')
  assert.equal(state?.ExitCode, 3)
  await engine.containers.remove(id)
  await assert.rejects(engine.containers.inspect(id), { code: 'no-such-container' })
})
