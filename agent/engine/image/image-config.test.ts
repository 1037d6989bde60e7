import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseImageConfig } from './image-config.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

test('a configuration as builders write it is taken as it is', () => {
  const file = { architecture: 'amd64', os: 'linux', created: '2024-01-02T03:04:05.123456789Z', config: { Env: ['A=1'], Cmd: null, Labels: { a: 'b' }, ExposedPorts: { '80/tcp': {} }, Unknown: 5 }, rootfs: { type: 'layers', diff_ids: [DIGEST] }, history: [{ created_by: 'x', empty_layer: true }], extra: [] }
  assert.deepEqual(parseImageConfig(Buffer.from(JSON.stringify(file))), file)
})

test('what is no configuration is refused with the field that is wrong', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /not JSON/], ['{', /not JSON/], ['null', /the whole must be an object/], ['[]', /the whole must be an object/], ['5', /the whole must be an object/],
    ['{"rootfs":5}', /rootfs must be an object/], ['{"rootfs":{"diff_ids":5}}', /rootfs\.diff_ids must be a list/], ['{"rootfs":{"diff_ids":[5]}}', /diff_ids\[0\] must be a digest/],
    ['{"rootfs":{"diff_ids":["sha256:../engine-id"]}}', /diff_ids\[0\] must be a digest/], ['{"config":[]}', /config must be an object/], ['{"config":{"Env":5}}', /config\.Env must be a list/],
    ['{"config":{"Env":[null]}}', /config\.Env\[0\] must be a text/], ['{"config":{"Labels":{"a":1}}}', /config\.Labels\.a must be a text/], ['{"config":{"ExposedPorts":"x"}}', /ExposedPorts must be an object/],
    ['{"history":[null]}', /history\[0\] must be an object/], ['{"created":"yesterday"}', /created must be a time/],
  ]
  for (const [text, message] of cases) assert.throws(() => parseImageConfig(Buffer.from(text)), { code: 'malformed-image', kind: 'invalid-argument', message }, text)
})
