import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyChanges } from './dockerfile-changes.ts'
import { familiarKey, parseReference, referenceKey } from './image-reference.ts'
import { splitWords } from './split-words.ts'

test('short names mean the default registry and latest', () => {
  assert.equal(referenceKey(parseReference('busybox')), 'docker.io/library/busybox:latest')
  assert.equal(referenceKey(parseReference('team/app:1.2')), 'docker.io/team/app:1.2')
  assert.equal(referenceKey(parseReference('localhost:5000/a/b')), 'localhost:5000/a/b:latest')
  assert.equal(familiarKey('docker.io/library/busybox:latest'), 'busybox:latest')
})

test('malformed names are refused', () => {
  for (const name of ['', 'UPPER', 'a::b', '/a', 'a/', 'a@sha256:12', '-a']) assert.throws(() => parseReference(name), { code: 'invalid-reference' }, name)
})

test('import changes become configuration', () => {
  const config = applyChanges({ Env: ['A=0'] }, ['CMD ["sh"]', 'entrypoint run it', 'ENV A=1 B="x y"', 'LABEL k=v', 'EXPOSE 80 53/udp', 'WORKDIR /a', 'WORKDIR b', 'USER web', 'HEALTHCHECK --interval=5s CMD true'])
  assert.deepEqual(config, {
    Env: ['A=1', 'B=x y'], Cmd: ['sh'], Entrypoint: ['/bin/sh', '-c', 'run it'], Labels: { k: 'v' }, ExposedPorts: { '80/tcp': {}, '53/udp': {} }, WorkingDir: '/a/b', User: 'web',
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5e9, Timeout: undefined, StartPeriod: undefined, StartInterval: undefined, Retries: undefined },
  })
  assert.throws(() => applyChanges({}, ['RUN x']), { code: 'invalid-change' })
})

test('words keep what quotes hold together', () => {
  assert.deepEqual(splitWords(`a "b c" 'd "e' f\\ g ""`), ['a', 'b c', 'd "e', 'f g', ''])
})
