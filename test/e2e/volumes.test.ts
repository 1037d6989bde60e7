/** Volumes with a real kernel and real containers. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import { FakeVolumePlugin } from '../support/fake-volume-plugin.ts'
import { busyboxTar, canRunContainers, createEngineFixture, request, run, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox, a runtime and the monitor'

async function output(fixture: EngineFixture, cmd: readonly string[], binds: readonly string[], image = 'busybox'): Promise<string> {
  const folder = mkdtempSync(join(fixture.root, 'out-'))
  const { id, exit } = await run(fixture.engine, request(['sh', '-c', `${cmd.join(' ')} >/out/text 2>&1`], { config: { Image: image }, hostConfig: { Binds: [...binds, `${folder}:/out`] } }))
  await exit
  await fixture.engine.containers.remove(id, { force: true, volumes: true })
  return readFileSync(join(folder, 'text'), 'utf8')
}

test('an empty volume gets what the image has there when the container is created, owners and links included', { skip }, async () => {
  await using fixture = await createEngineFixture()
  const { engine } = fixture
  const tar = busyboxTar(root => {
    mkdirSync(join(root, 'data/sub'), { recursive: true, mode: 0o750 })
    writeFileSync(join(root, 'data/sub/file'), 'text', { mode: 0o640 })
    symlinkSync('sub/file', join(root, 'data/link'))
  })
  await engine.images.import(tar, { repository: 'seeded', tag: 'latest', changes: ['VOLUME /data'] })
  const { Id } = await engine.containers.create(request(['true'], { config: { Image: 'seeded' }, hostConfig: { Binds: ['seed:/data'] } }))
  const { Mountpoint = '' } = await engine.volumes.inspect('seed')
  assert.equal(readFileSync(join(Mountpoint, 'link'), 'utf8'), 'text')
  assert.equal(statSync(join(Mountpoint, 'sub/file')).mode & 0o777, 0o640)
  assert.equal(existsSync(join(Mountpoint, '../_filling')), false)
  await engine.containers.remove(Id)
  // What is in it stays, and nocopy leaves one empty.
  writeFileSync(join(Mountpoint, 'mine'), '')
  assert.match(await output(fixture, ['ls', '/data'], ['seed:/data'], 'seeded'), /link\nmine\nsub/)
  assert.equal(await output(fixture, ['ls', '/data'], ['none:/data:nocopy'], 'seeded'), '')
  assert.equal((await engine.volumes.list()).Volumes.length, 2)
})

test('a file system of its own is mounted for the first container and unmounted after the last, also over a daemon that was killed', { skip }, async () => {
  await using fixture = await createEngineFixture()
  const { mounts } = createLinuxKernel()
  const { engine } = fixture
  await engine.volumes.create({ Name: 'scratch', DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1000' } })
  const { Mountpoint = '' } = await engine.volumes.inspect('scratch')
  assert.deepEqual(mounts.under(Mountpoint), [])
  const first = await run(engine, request(['sleep', '100'], { hostConfig: { Binds: ['scratch:/x'] } }))
  const second = await run(engine, request(['sleep', '100'], { hostConfig: { Binds: ['scratch:/x'] } }))
  assert.deepEqual([mounts.under(Mountpoint), statSync(Mountpoint).uid], [[Mountpoint], 1000])
  await assert.rejects(engine.volumes.remove('scratch', true), { code: 'volume-in-use' })
  await engine.containers.kill(first.id)
  await first.exit
  const reopened = await fixture.reopen()
  assert.deepEqual(mounts.under(Mountpoint), [Mountpoint])
  const ended = await reopened.containers.wait(second.id, 'not-running')
  await reopened.containers.kill(second.id)
  await ended.result
  assert.deepEqual(mounts.under(Mountpoint), [])
  // Left by a daemon that died between mount and start.
  await mounts.mount('tmpfs', Mountpoint, 'tmpfs', '')
  await fixture.reopen()
  assert.deepEqual(mounts.under(Mountpoint), [])
})

test('what cannot be mounted is told in Docker\'s words, and removing a bound volume leaves what it was bound to', { skip }, async () => {
  await using fixture = await createEngineFixture()
  const { engine } = fixture
  await engine.volumes.create({ Name: 'gone', DriverOpts: { type: 'none', device: '/nonexistent-sys', o: 'bind' } })
  await assert.rejects(run(engine, request(['true'], { hostConfig: { Binds: ['gone:/x'] } })), /error while mounting volume '.*\/gone\/_data': failed to mount local volume: mount \/nonexistent-sys:.*\/gone\/_data, flags: 0x1000: no such file or directory/)
  const folder = join(fixture.root, 'mine')
  mkdirSync(folder)
  writeFileSync(join(folder, 'precious'), '')
  await engine.volumes.create({ Name: 'bound', DriverOpts: { type: 'none', device: folder, o: 'bind,ro' } })
  assert.match(await output(fixture, ['{ ls /x; touch /x/new; }'], ['bound:/x']), /precious\ntouch: .*Read-only file system/)
  await engine.volumes.remove('bound', false)
  assert.ok(existsSync(join(folder, 'precious')))
})

test('a part of a volume is mounted, links stay in the volume, and none leads out of it', { skip }, async () => {
  await using fixture = await createEngineFixture()
  const { engine } = fixture
  const { Mountpoint = '' } = await engine.volumes.create({ Name: 'parts' })
  mkdirSync(join(Mountpoint, 'a/b'), { recursive: true })
  writeFileSync(join(Mountpoint, 'a/b/file'), 'inside')
  symlinkSync('a/../a', join(Mountpoint, 'link'))
  symlinkSync('/etc', join(Mountpoint, 'etc'))
  symlinkSync('../../../..', join(Mountpoint, 'up'))
  const start = (Subpath: string): Promise<{ readonly exit: Promise<number> }> => run(engine, request(['sh', '-c', 'test "$(cat /x/file 2>/dev/null || cat /x)" = inside'], { hostConfig: { Mounts: [{ Type: 'volume', Source: 'parts', Target: '/x', VolumeOptions: { Subpath } }] } }))
  for (const good of ['a/b', 'link/b', './a//b', 'a/b/file']) assert.equal(await (await start(good)).exit, 0, good)
  for (const bad of ['etc', 'up', 'up/etc', 'link/../../..']) await assert.rejects(start(bad), /path concatenation escapes|must be a relative path/, bad)
  await assert.rejects(start('/a'), /subpath must be a relative path within the volume/)
  await assert.rejects(start('nope'), /cannot access path .*\/nope: lstat .*no such file or directory/)
  assert.deepEqual(createLinuxKernel().mounts.under(join(fixture.options.execRoot, 'subpaths')), [])
})

test('a plugin keeps volumes: created, mounted for each container, unmounted, listed, removed; a dead one stops nobody', { skip }, async () => {
  const folder = mkdtempSync('/tmp/shoal-plugin-')
  const sockets = join(folder, 'run')
  mkdirSync(sockets)
  await using fixture = await createEngineFixture({ pluginFolders: { sockets, specs: [join(folder, 'etc')] } })
  const { engine } = fixture
  try {
    const plugin = await FakeVolumePlugin.listen(join(sockets, 'fake.sock'), join(folder, 'volumes'))
    await assert.rejects(engine.volumes.create({ Name: 'v1', Driver: 'nosuch' }), /create v1: error looking up volume plugin nosuch: plugin "nosuch" not found/)
    const created = await engine.volumes.create({ Name: 'v1', Driver: 'fake', DriverOpts: { any: 'thing' } })
    assert.deepEqual([created.Driver, created.Scope, created.Mountpoint, created.Status], ['fake', 'global', plugin.path('v1'), { Kind: 'fake' }])
    await assert.rejects(engine.volumes.create({ Name: 'v1', Driver: 'local' }), /driver 'fake' already has volume 'v1': volume name must be unique/)
    plugin.volumes.add('elsewhere')
    assert.deepEqual((await engine.volumes.list({ driver: ['fake'] })).Volumes.map(volume => volume.Name).sort(), ['elsewhere', 'v1'])
    plugin.calls.length = 0
    assert.equal(await output(fixture, ['echo hello >/x/f; cat /x/f'], ['v1:/x']), 'hello\n')
    assert.equal(readFileSync(join(plugin.path('v1'), 'f'), 'utf8'), 'hello\n')
    assert.deepEqual(plugin.calls.filter(call => /^(Mount|Unmount)/.test(call)).map(call => call.split(' ')[0]), ['Mount', 'Unmount'])
    plugin.errors.set('VolumeDriver.Mount', 'no disk')
    await assert.rejects(output(fixture, ['true'], ['v1:/x']), /error while mounting volume '': VolumeDriver\.Mount: no disk/)
    plugin.errors.clear()
    for (const container of await engine.containers.list({ all: true })) await engine.containers.remove(container.Id ?? '', { force: true })
    const { id } = await run(engine, request(['sleep', '100'], { hostConfig: { Binds: ['v1:/x'] } }))
    await plugin[Symbol.asyncDispose]()
    writeFileSync(join(sockets, 'fake.sock'), '')
    await engine.containers.remove(id, { force: true })
    const { Volumes, Warnings } = await engine.volumes.list()
    assert.deepEqual([Volumes.map(volume => volume.Name), Warnings.length], [['v1'], 1])
    await assert.rejects(engine.volumes.remove('v1', false), /VolumeDriver\.Remove/)
    await engine.volumes.remove('v1', true)
    assert.deepEqual((await engine.volumes.list()).Volumes, [])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
