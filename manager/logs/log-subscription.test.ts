import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import { LogSubscription } from './log-subscription.ts'

test('the end is told once, also when nodes end at once while the client does not read', async () => {
  const subscription = new LogSubscription('s', make('LogSelector', { serviceIds: ['s1'] }), make('LogOptions', { streams: ['stdout'] }))
  subscription.ask('n1')
  const message = make('PublishLogsMessage', { subscriptionId: 's', messages: [{ data: new Uint8Array(1) }] })
  for (let i = 0; i < 64; i++) await subscription.publish(message)
  subscription.answered('n1', 'gone')
  const ends = Promise.all([subscription.endIfDone(), subscription.endIfDone()])
  const warnings: string[] = []
  for await (const { warning } of subscription.pipe.read()) if (warning !== '') warnings.push(warning)
  await ends
  assert.deepEqual(warnings, ['warning: incomplete log stream. some logs could not be retrieved for the following reasons: gone'])
})
