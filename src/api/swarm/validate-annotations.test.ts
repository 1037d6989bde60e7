import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateDnsName } from './validate-annotations.ts'

test('a name of a service is one DNS label', () => {
  for (const name of ['a', 'web', 'Web-1', 'a__b', 'a-_-b', '9', 'x'.repeat(63)]) assert.equal(validateDnsName({ name, labels: {} }), name)
  for (const name of ['-a', 'a-', '_a', 'a_', 'a.b', 'a b', 'é', 'a\n']) assert.throws(() => validateDnsName({ name, labels: {} }), /valid as a DNS name component/, name)
  assert.throws(() => validateDnsName({ name: 'x'.repeat(64), labels: {} }), /63 characters or fewer/)
})

test('a long name that nearly is one is refused at once', () => {
  assert.throws(() => validateDnsName({ name: `${'1'.repeat(62)}.`, labels: {} }), /valid as a DNS name component/)
})
