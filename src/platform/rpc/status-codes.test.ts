import assert from 'node:assert/strict'
import { Metadata, status, type ServiceError } from '@grpc/grpc-js'
import { test } from 'node:test'
import { errorOfStatus } from './status-codes.ts'

const failed = (details: string): ServiceError => Object.assign(new Error(details), { code: status.UNAVAILABLE, details, metadata: new Metadata() })

test('a connection that failed is told without the library\'s internals, and may be tried again', () => {
  const cases = [
    ['No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2377. Resolution note: ', 'rpc-refused', 'm:1: no connection: connect ECONNREFUSED 10.0.0.1:2377'],
    ['No connection established. Last error: connect ENOENT /run/m.sock (2026-11-21T19:34:15.775Z). Resolution note: ', 'rpc-refused', 'm:1: no connection: connect ENOENT /run/m.sock'],
    ['No connection established. Last error: Failed to connect (2026-11-21T19:34:15.775Z). Resolution note: ', 'rpc-not-connected', 'm:1: no connection: Failed to connect'],
    ['No connection established. Last error: read ECONNRESET (2026-11-21T19:34:15.757Z). Resolution note: ', 'rpc-not-connected', "m:1: no connection: read ECONNRESET; is this node's certificate one of that cluster?"],
  ] as const
  for (const [details, code, message] of cases) {
    const error = errorOfStatus(failed(details), 'm:1')
    assert.deepEqual([error.kind, error.code, error.message], ['unavailable', code, message])
  }
  assert.equal(errorOfStatus(failed('Connection dropped'), 'm:1').code, 'rpc-unavailable')
})
