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

test('--gpus means the cards that their vendor describes, all of them, so many, or these', () => {
  const folder = join(root, 'cards')
  mkdirSync(folder)
  const device = (name: string) => ({ name, containerEdits: { env: [`CARD=${name}`] } })
  writeFileSync(join(folder, 'nvidia.json'), JSON.stringify({ cdiVersion: '0.6.0', kind: 'nvidia.com/gpu', devices: [device('0'), device('1'), device('all'), device('GPU-abc')] }))
  const gpus = (request: object): readonly string[] => deviceEdits({ DeviceRequests: [{ Capabilities: [['gpu']], ...request }] }, [folder]).env
  assert.deepEqual(gpus({ Count: -1 }), ['CARD=all'])
  assert.deepEqual(gpus({ Count: 2, Driver: 'nvidia' }), ['CARD=0', 'CARD=1'])
  assert.deepEqual(gpus({ DeviceIDs: ['1', 'GPU-abc'] }), ['CARD=1', 'CARD=GPU-abc'])
  assert.throws(() => gpus({ Count: 3 }), { code: 'no-such-device', message: /unresolvable CDI devices nvidia\.com\/gpu=2$/ })
  assert.throws(() => gpus({ Count: -1, Driver: 'other' }), { code: 'unsupported-device-request' })
})

test('--gpus without a description is refused at the start, in the words of dockerd', () => {
  const host = { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }
  checkDeviceRequests(host)
  assert.throws(() => deviceEdits(host, folders), { code: 'unsupported-device-request', message: 'could not select device driver "" with capabilities: [[gpu]]' })
})
