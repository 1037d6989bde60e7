import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abortable, LightAbort } from './abort.ts'

test('a light abort tells its listeners once, with the first reason', () => {
  const abort = new LightAbort()
  const told: string[] = []
  const gone = (): void => { told.push('gone') }
  abort.addEventListener('abort', () => told.push(String(abort.reason)))
  abort.addEventListener('abort', gone)
  abort.removeEventListener('abort', gone)
  abort.throwIfAborted()
  abort.abort('first')
  abort.abort('second')
  assert.deepEqual(told, ['first'])
  assert.ok(abort.aborted)
  assert.throws(() => abort.throwIfAborted(), reason => reason === 'first')
})

test('its signal is aborted with it, whether it was asked for before or after', async () => {
  const abort = new LightAbort()
  const { signal } = abort
  const waiting = abortable(new Promise<void>(() => {}), signal)
  const why = new Error('why')
  abort.abort(why)
  await assert.rejects(waiting, why)
  assert.equal(signal.reason, why)
  const late = new LightAbort()
  late.abort(why)
  assert.equal(late.signal.reason, why)
  assert.equal(late.signal, late.signal)
})

test('a promise with a signal that is aborted already is not waited for', async () => {
  await assert.rejects(abortable(Promise.resolve(1), AbortSignal.abort(new Error('over'))), { message: 'over' })
  assert.equal(await abortable(Promise.resolve(1), new AbortController().signal), 1)
  assert.equal(await abortable(Promise.resolve(2), undefined), 2)
})
