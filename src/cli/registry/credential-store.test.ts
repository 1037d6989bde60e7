import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addressOf, CredentialStore, HUB_ADDRESS } from './credential-store.ts'

test('credentials are kept as the docker CLI keeps them, and what else is in its file stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-credentials-'))
  try {
    const path = join(folder, 'config.json')
    writeFileSync(path, JSON.stringify({ psFormat: 'x', auths: { other: { auth: 'YTpi' } } }))
    const store = new CredentialStore({ DOCKER_CONFIG: folder })
    assert.equal(await store.set({ serveraddress: 'localhost:5000', username: 'me', password: 'a:b' }), true)
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { psFormat: 'x', auths: { 'other': { auth: 'YTpi' }, 'localhost:5000': { auth: Buffer.from('me:a:b').toString('base64') } } })
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(await store.get('localhost:5000'), { serveraddress: 'localhost:5000', username: 'me', password: 'a:b' })
    await store.set({ serveraddress: 'tokens', username: 'me', identitytoken: 't' })
    assert.equal((await store.get('tokens'))?.identitytoken, 't')
    assert.equal(await store.erase('localhost:5000'), true)
    assert.equal(await store.erase('localhost:5000'), false)
    assert.equal(await store.get('localhost:5000'), undefined)
    writeFileSync(path, 'not JSON')
    await assert.rejects(store.get('other'), { code: 'bad-cli-config' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a name without a registry is of Docker Hub', () => {
  assert.deepEqual(['busybox', 'team/app:1', 'docker.io/a/b', 'localhost/a', 'host:5000/a', 'quay.io/a'].map(addressOf), [HUB_ADDRESS, HUB_ADDRESS, HUB_ADDRESS, 'localhost', 'host:5000', 'quay.io'])
})
