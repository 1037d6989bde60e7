import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maskedProxy, proxiesOf } from './proxies.ts'

test('proxies are those of the configuration, else those of the environment', () => {
  const none = { httpProxy: '', httpsProxy: '', noProxy: '' }
  assert.deepEqual(proxiesOf(none, {}), { http: undefined, https: undefined, none: undefined })
  const env = { HTTP_PROXY: 'http://env:1', https_proxy: 'http://lower:2', NO_PROXY: '.local' }
  assert.deepEqual(proxiesOf(none, env), { http: 'http://env:1', https: 'http://lower:2', none: '.local' })
  assert.deepEqual(proxiesOf({ httpProxy: 'http://a:1', httpsProxy: '', noProxy: 'b' }, env), { http: 'http://a:1', https: 'http://lower:2', none: 'b' })
})

test('a password of a proxy is not shown', () => {
  assert.deepEqual(['http://me:secret@proxy:3128', 'http://proxy:3128', undefined].map(maskedProxy), ['http://xxxxx:xxxxx@proxy:3128', 'http://proxy:3128', ''])
})
