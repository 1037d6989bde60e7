import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseDaemonConfig } from './daemon-config.ts'

function configFile(t: TestContext, values: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'daemon.json')
  writeFileSync(path, typeof values === 'string' ? values : JSON.stringify(values))
  return path
}

test("dockerd's flags are taken", () => {
  const config = parseDaemonConfig(['--data-root', '/d', '--exec-root', '/e', '-H', 'unix:///a.sock', '-H', 'tcp://127.0.0.1', '--label', 'zone=a', '--debug', '--cgroup-parent', '/c', '--live-restore'])
  assert.deepEqual([config.dataRoot, config.execRoot, config.hosts, config.labels, config.logLevel, config.cgroupParent], ['/d', '/e', ['unix:///a.sock', 'tcp://127.0.0.1:2375'], ['zone=a'], 'debug', '/c'])
})

test('the configuration file gives what flags do not', t => {
  const config = parseDaemonConfig(['--config-file', configFile(t, { 'data-root': '/d', 'labels': ['a=b'], 'default-address-pools': [{ base: '10.1.0.0/16', size: 24 }] }), '--exec-root', '/e'])
  assert.deepEqual([config.dataRoot, config.execRoot, config.labels, config.defaultAddressPools], ['/d', '/e', ['a=b'], ['base=10.1.0.0/16,size=24']])
})

test('what is given twice, unknown, malformed or meaningless is refused by name', t => {
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, { 'data-root': '/d' }), '--data-root', '/x']), /specified both as a flag and in the configuration file: data-root/)
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, { nope: 1 })]), /don't match any configuration option: nope/)
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, '{')]), /unable to configure the daemon with file/)
  assert.throws(() => parseDaemonConfig(['--bogus']), /unknown option '--bogus'/)
  assert.throws(() => parseDaemonConfig(['--storage-driver', 'zfs']), /unknown storage driver zfs/)
  assert.throws(() => parseDaemonConfig(['-H', 'fd://']), /cannot listen on fd:\/\//)
  assert.throws(() => parseDaemonConfig(['--tlsverify', '--tlscert', 'c', '--tlskey', 'k']), /--tlsverify needs --tlscacert/)
  assert.throws(() => parseDaemonConfig(['--label', 'zone']), /bad attribute format: zone/)
})
