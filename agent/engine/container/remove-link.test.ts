import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Container } from './container.ts'
import { NEW_STATE, type ContainerRecord } from './container-record.ts'
import { namesByLinks, removeLink } from './remove-link.ts'

function container(name: string, digit: string, more: Partial<ContainerRecord> = {}): Container {
  const record: ContainerRecord = { id: digit.repeat(64), name, created: '2024-01-01T00:00:00Z', imageId: 'sha256:1', diffIds: [], config: {}, hostConfig: {}, endpoints: {}, mounts: [], state: NEW_STATE, restartCount: 0, stoppedByUser: false, ...more }
  return new Container(record, async () => {}, err => { throw err })
}

test('a link is taken out of the record and of the hosts file, and others stay', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-link-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const db = container('db', 'd')
  const hosts = `127.0.0.1\tlocalhost\n172.17.0.2\tother ${'d'.repeat(12)} old\n172.17.0.2\tsecond ${'d'.repeat(12)} old\n172.17.0.9\tother extra\n`
  const web = container('web', 'a', { hostConfig: { NetworkMode: 'default', Links: [`${db.id}:other`, `${db.id}:second`] }, state: { ...NEW_STATE, status: 'running' }, sandbox: { endpoints: {}, ports: {}, hosts, resolvConf: '' } })
  assert.deepEqual([...namesByLinks([db, web], ref => ref)], [[db.id, ['/web/other', '/web/second']]])
  await removeLink({ linker: web, alias: 'other', target: db }, directory)
  assert.deepEqual(web.record.hostConfig.Links, [`${db.id}:second`])
  assert.equal(readFileSync(join(directory, 'hosts'), 'utf8'), `127.0.0.1\tlocalhost\n172.17.0.2\tsecond ${'d'.repeat(12)} old\n172.17.0.9\tother extra\n`)
})

test('names of links are those of the default bridge alone', () => {
  const web = container('web', 'a', { hostConfig: { NetworkMode: 'front', Links: ['db:other'] } })
  assert.equal(namesByLinks([web], ref => ref).size, 0)
})
