/** Containers whose root is nobody of the host: what they see and make, with each runtime, and what is on disk. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, lstatSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { extract, pack, type Header } from 'tar-stream'
import { createLocalEngine } from '../../agent/engine/local-engine.ts'
import { eventually } from '../support/lab.ts'
import { canRunContainers, createEngineFixture, logsOf, request, run, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000
const UID = 300_000
const GID = 400_000
const IDS = { uids: [{ container: 0, host: UID, size: 65_536 }], gids: [{ container: 0, host: GID, size: 65_536 }] }
const RUNTIMES = [['crun', '/usr/bin/crun'], ['runc', '/usr/sbin/runc']].filter(([, path]) => existsSync(path ?? '')).map(([name = '']) => name)
const INTO = { noOverwriteDirNonDir: true, copyUidGid: false }
let fixture: EngineFixture

before(async () => {
  if (skip !== false) return
  fixture = await createEngineFixture({ idMapping: IDS })
  // As the folders of a daemon are: containers' users come through.
  chmodSync(fixture.root, 0o711)
})
after(async () => { if (skip === false) await fixture[Symbol.asyncDispose]() })

async function output(cmd: string, hostConfig: Readonly<Record<string, unknown>> = {}, config: Readonly<Record<string, unknown>> = {}): Promise<{ readonly id: string; readonly text: string }> {
  const { id, exit } = await run(fixture.engine, request(['sh', '-c', cmd], { hostConfig, config }))
  await exit
  return { id, text: await logsOf(fixture.engine, id) }
}

async function headersOf(tar: Readable): Promise<readonly Header[]> {
  const headers: Header[] = []
  const parser = extract()
  tar.pipe(parser)
  for await (const entry of parser) { headers.push(entry.header); entry.resume() }
  return headers
}

for (const runtime of RUNTIMES) {
  test(`with ${runtime}, root inside is a user without rights outside, and owns what it finds and makes`, { skip }, async () => {
    const null0 = lstatSync('/dev/null')
    const { text } = await output('cat /proc/self/uid_map; id -u; touch /tmp/made; for f in / /bin/sh /tmp/made /etc/hosts /.dockerenv /proc/sys/net/ipv4/ip_forward /v; do ls -lnd $f | tr -s " " | cut -d" " -f3,4; done; touch /v/made; echo ok >/dev/stderr; ls /proc/1/fd >/dev/null',
      { Runtime: runtime, Binds: [`vol-${runtime}:/v`], IpcMode: 'shareable' }, {})
    assert.deepEqual(text.trim().split('\n').map(line => line.trim().replace(/\s+/g, ' ')), [`0 ${UID} 65536`, '0', ...Array.from({ length: 7 }, () => '0 0'), 'ok'])
    const volume = join(fixture.options.dataRoot, 'volumes', `vol-${runtime}`, '_data')
    assert.deepEqual([statSync(join(volume, 'made')).uid, statSync(join(volume, 'made')).gid], [0, 0], 'on disk it has the owner that the container knows')
    const { text: users } = await output('id -u; echo hers >/dev/stdout; cat /dev/null', { Runtime: runtime }, { User: 'web' })
    assert.equal(users, '1000\nhers\n')
    // Runtimes give standard streams to the container's user: the host's own device must not be among them.
    assert.deepEqual([lstatSync('/dev/null').uid, lstatSync('/dev/null').mode], [null0.uid, null0.mode])
  })
}

test('the process has the mapped ids on the host, an exec too, and one that asks for the host\'s has them not', { skip }, async () => {
  const { containers, execs } = fixture.engine
  const { id } = await run(fixture.engine, request(['sleep', '100']))
  const { State } = await containers.inspect(id)
  const { uid, gid } = statSync(`/proc/${State?.Pid}`)
  assert.deepEqual([uid, gid], [UID, GID])
  const exec = await execs.create(id, { cmd: ['sleep', '100'], attachStdin: false, attachStdout: false, attachStderr: false, tty: false, env: [], privileged: false, user: '33' })
  await execs.start(exec.Id, { detach: true, tty: false })
  assert.equal(statSync(`/proc/${String((await execs.inspect(exec.Id))['Pid'])}`).uid, UID + 33)
  await containers.remove(id, { force: true })
  const { text } = await output('cat /proc/self/uid_map; ls -lnd /bin | tr -s " " | cut -d" " -f3', { UsernsMode: 'host' })
  assert.deepEqual(text.trim().split(/\s+/), ['0', '0', '4294967295', '0'])
})

test('files that are copied in and out, exported and committed have the owners that the container knows', { skip }, async () => {
  const { containers, images } = fixture.engine
  const { id } = await run(fixture.engine, request(['sh', '-c', 'touch /mine; sleep 100']))
  await eventually('its file is there', SOON_MS, async () => containers.statPath(id, '/mine').catch(() => undefined))
  const tar = pack()
  tar.entry({ name: 'a', uid: 7, gid: 8 }, 'one')
  tar.entry({ name: 'deep/er/b' }, 'two')
  tar.finalize()
  await containers.writeArchive(id, '/root', Readable.from(tar), INTO)
  const { stream } = await containers.readArchive(id, '/root')
  const owners = (headers: readonly Header[]): readonly string[] => headers.map(({ name, uid, gid }) => `${name} ${uid}:${gid}`)
  assert.deepEqual(owners(await headersOf(stream)), ['root/ 0:0', 'root/a 7:8', 'root/deep/ 0:0', 'root/deep/er/ 0:0', 'root/deep/er/b 0:0'])
  assert.ok(owners(await headersOf(await containers.export(id))).includes('root/a 7:8'))
  const { Id: image } = await images.commit({ container: id, repository: 'kept', tag: 'latest', pause: false, changes: [] })
  assert.deepEqual((await output('ls -ln /root/a /mine | tr -s " " | cut -d" " -f3,4', {}, { Image: image })).text, '0 0\n7 8\n')
  await containers.remove(id, { force: true })
})

test('what belongs to the host\'s user namespace is refused in dockerd\'s words', { skip }, async () => {
  const refuse = async (hostConfig: Readonly<Record<string, unknown>>, message: RegExp): Promise<void> => { await assert.rejects(fixture.engine.containers.create(request(['true'], { hostConfig })), { code: 'invalid-config', message }) }
  await refuse({ Privileged: true }, /^privileged mode is incompatible with user namespaces\./)
  await refuse({ NetworkMode: 'host' }, /^cannot share the host's network namespace when user namespaces are enabled$/)
  await refuse({ PidMode: 'host' }, /^cannot share the host PID namespace when user namespaces are enabled$/)
  await fixture.engine.containers.create(request(['true'], { hostConfig: { Privileged: true, NetworkMode: 'host', PidMode: 'host', UsernsMode: 'host' } }))
})

test('a daemon that comes back without the setting leaves what runs as it is, and starts it anew unmapped', { skip }, async () => {
  const { id } = await run(fixture.engine, request(['sleep', '100']))
  await fixture.engine[Symbol.asyncDispose]()
  const engine = await createLocalEngine({ ...fixture.options, idMapping: undefined })
  await engine.restore()
  const tar = pack()
  tar.entry({ name: 'a', uid: 7, gid: 8 }, 'one')
  tar.finalize()
  await engine.containers.writeArchive(id, '/tmp', Readable.from(tar), INTO)
  const headers = await headersOf((await engine.containers.readArchive(id, '/tmp/a')).stream)
  assert.deepEqual(headers.map(({ uid, gid }) => [uid, gid]), [[7, 8]])
  assert.equal(statSync(`/proc/${(await engine.containers.inspect(id)).State?.Pid}`).uid, UID)
  await engine.containers.restart(id, { timeoutSeconds: 0 })
  assert.equal(statSync(`/proc/${(await engine.containers.inspect(id)).State?.Pid}`).uid, 0)
  assert.deepEqual((await headersOf((await engine.containers.readArchive(id, '/tmp/a')).stream)).map(({ uid }) => uid), [7])
  assert.deepEqual(fixture.options.kernel.mounts.under(join(fixture.options.execRoot, 'idmap')), [])
  await engine[Symbol.asyncDispose]()
  await fixture.reopen()
})
