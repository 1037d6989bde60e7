import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { checkDeviceRequests, deviceEdits, NO_EDITS } from './cdi.ts'

const SPEC = {
  cdiVersion: '0.6.0', kind: 'vendor.com/card', containerEdits: { env: ['CARDS=1'] },
  devices: [
    { name: 'one', containerEdits: { deviceNodes: [{ path: '/dev/card1', type: 'c', major: 99, minor: 1, permissions: 'rw', fileMode: 0o600, uid: 5 }], mounts: [{ hostPath: '/lib/card', containerPath: '/opt/card' }] } },
    { name: 'two', containerEdits: { deviceNodes: [{ path: '/dev/card2', hostPath: '/dev/null' }], env: ['SECOND=yes'], hooks: [{ hookName: 'createContainer', path: '/bin/hook', args: ['hook'] }, { hookName: 'nosuch', path: '/x' }], additionalGids: [44, 0] } },
  ],
}
let folders: readonly string[]
let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'shoal-cdi-'))
  folders = [join(root, 'etc'), join(root, 'run'), join(root, 'none')]
  for (const folder of folders.slice(0, 2)) mkdirSync(folder)
  writeFileSync(join(root, 'etc/vendor.json'), JSON.stringify(SPEC))
  writeFileSync(join(root, 'etc/broken.json'), '{')
  writeFileSync(join(root, 'etc/notes.txt'), 'not a description')
  writeFileSync(join(root, 'run/other.yaml'), 'cdiVersion: "0.5.0"\nkind: other.org/net\ndevices:\n- name: "0"\n  containerEdits:\n    env: [ "NET=0" ]\n')
})
after(() => rmSync(root, { recursive: true, force: true }))

const ask = (...names: readonly string[]): ReturnType<typeof deviceEdits> => deviceEdits({ DeviceRequests: [{ Driver: 'cdi', DeviceIDs: names }] }, folders)

test('a device brings its nodes, mounts and variables, and those of its kind', () => {
  const edits = ask('vendor.com/card=one')
  assert.deepEqual(edits.env, ['CARDS=1'])
  assert.deepEqual(edits.devices, [{ path: '/dev/card1', type: 'c', major: 99, minor: 1, fileMode: 0o600, uid: 5, gid: 0, access: 'rw' }])
  assert.deepEqual(edits.mounts.map(({ source, destination }) => [source, destination]), [['/lib/card', '/opt/card']])
})

test('several devices of one kind bring the edits of the kind once', () => {
  const edits = ask('vendor.com/card=one', 'vendor.com/card=two', 'other.org/net=0')
  assert.deepEqual([edits.env, edits.additionalGids], [['CARDS=1', 'SECOND=yes', 'NET=0'], [44]])
  assert.deepEqual(edits.hooks, { createContainer: [{ path: '/bin/hook', args: ['hook'] }] })
  assert.deepEqual(edits.devices.map(({ path, major, minor }) => [path, major, minor]), [['/dev/card1', 99, 1], ['/dev/card2', 1, 3]])
})

test('a device that nobody describes is refused by name, and nothing asked is nothing changed', () => {
  assert.throws(() => ask('vendor.com/card=one', 'vendor.com/card=three'), { code: 'no-such-device', message: /unresolvable CDI devices vendor\.com\/card=three/ })
  assert.throws(() => ask('card'), { code: 'invalid-config' })
  assert.deepEqual(deviceEdits({}, folders), NO_EDITS)
})

test('--gpus without a driver is refused in the words of dockerd', () => {
  assert.throws(() => checkDeviceRequests({ DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }), { code: 'unsupported-device-request', message: 'could not select device driver "" with capabilities: [[gpu]]' })
})
