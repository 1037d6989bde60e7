import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { extract, pack, type Header } from 'tar-stream'
import { startApi } from '../support/fake-api.ts'
import { fakeBackends } from '../support/fake-backends.ts'
import { eventually } from '../support/lab.ts'
import { canRunContainers, createEngineFixture, logsOf, request, run, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000
const INTO = { noOverwriteDirNonDir: true, copyUidGid: false }
let fixture: EngineFixture

before(async () => { if (skip === false) fixture = await createEngineFixture() })
after(async () => { if (skip === false) await fixture[Symbol.asyncDispose]() })

async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A tar of these members; a string is a file's contents. */
async function tarOf(...members: readonly (readonly [Partial<Header> & { name: string } | string, string?])[]): Promise<Readable> {
  const tar = pack()
  for (const [header, text] of members) tar.entry(typeof header === 'string' ? { name: header } : header as Header, text ?? '')
  tar.finalize()
  return Readable.from([await bytesOf(tar)])
}

/** Name -> contents, or what it is. */
async function membersOf(tar: Readable): Promise<Readonly<Record<string, string>>> {
  const members: Record<string, string> = {}
  const parser = extract()
  tar.pipe(parser)
  for await (const entry of parser) {
    const text = (await bytesOf(entry)).toString()
    members[entry.header.name] = entry.header.type === 'file' ? text : `${entry.header.type}${entry.header.linkname ? ` ${entry.header.linkname}` : ''}`
  }
  return members
}

async function created(cmd: readonly string[], more: Parameters<typeof request>[1] = {}): Promise<string> {
  return (await fixture.engine.containers.create(request(cmd, more))).Id
}

async function outputOf(cmd: string, more: Parameters<typeof request>[1] = {}): Promise<{ readonly id: string; readonly text: string }> {
  const { id, exit } = await run(fixture.engine, request(['sh', '-c', cmd], more))
  await exit
  return { id, text: await logsOf(fixture.engine, id) }
}

test('files go into a stopped and a running container and come back', { skip }, async () => {
  const { containers } = fixture.engine
  const id = await created(['sh', '-c', 'cat /root/a /root/d/b; sleep 100'])
  const tar = (): Promise<Readable> => tarOf([{ name: 'a', mode: 0o640, uid: 7, gid: 8, mtime: new Date(1e12) }, 'one\n'], [{ name: 'd/', type: 'directory', mode: 0o700 }], ['d/b', 'two\n'], [{ name: 'l', type: 'symlink', linkname: 'd/b' }])
  await containers.writeArchive(id, '/root', await tar(), INTO)
  await containers.start(id)
  await containers.writeArchive(id, '/tmp/.', await tar(), INTO)
  for (const directory of ['/root', '/tmp']) {
    const { stat, stream } = await containers.readArchive(id, directory)
    assert.equal(stat.name, directory.slice(1))
    const name = directory.slice(1)
    assert.deepEqual(await membersOf(stream), { [`${name}/`]: 'directory', [`${name}/a`]: 'one\n', [`${name}/d/`]: 'directory', [`${name}/d/b`]: 'two\n', [`${name}/l`]: 'symlink d/b' })
  }
  assert.deepEqual(await containers.statPath(id, '/root/a'), { name: 'a', size: 4, mode: 0o640, mtime: '2001-09-09T01:46:40.000Z', linkTarget: '' })
  assert.deepEqual(await containers.statPath(id, 'root/l').then(({ mode, linkTarget, name }) => [mode >>> 0 & 2 ** 27, linkTarget, name]), [2 ** 27, '/root/d/b', 'l'])
  assert.equal((await containers.statPath(id, '/root/d/')).mode, 2 ** 31 + 0o700)
  assert.deepEqual(await membersOf((await containers.readArchive(id, '/root/l')).stream), { l: 'symlink d/b' })
  assert.deepEqual(await membersOf((await containers.readArchive(id, '/root/d/.')).stream), { './': 'directory', './b': 'two\n' })
  await assert.rejects(containers.statPath(id, '/nope/x'), { code: 'no-such-path', kind: 'not-found', message: `Could not find the file /nope/x in container ${id}` })
  await assert.rejects(containers.writeArchive(id, '/root/a', await tar(), INTO), { code: 'not-a-directory', message: 'extraction point is not a directory' })
  await assert.rejects(containers.writeArchive(id, '/root', await tarOf([{ name: 'd', type: 'file' }, 'x']), INTO), { code: 'file-in-the-way' })
  await containers.writeArchive(id, '/root', await tarOf([{ name: 'd', type: 'file' }, 'x']), { ...INTO, noOverwriteDirNonDir: false })
  assert.equal((await membersOf((await containers.readArchive(id, '/root/d')).stream))['d'], 'x')
  await containers.remove(id, { force: true })
})

test('volumes and binds are seen through, read-only ones and roots refuse', { skip }, async () => {
  const { containers, volumes } = fixture.engine
  const host = mkdtempSync('/tmp/shoal-e2e-bind-')
  try {
    writeFileSync(join(host, 'h'), 'host\n')
    const id = await created(['true'], { hostConfig: { NetworkMode: 'none', Binds: ['cpvol:/deep/er/data', `${host}:/bind`, `${host}:/ro:ro`] } })
    await containers.writeArchive(id, '/deep/er/data', await tarOf(['v', 'volume\n']), INTO)
    const { Mountpoint } = await volumes.inspect('cpvol')
    assert.equal(readFileSync(join(Mountpoint ?? '', 'v'), 'utf8'), 'volume\n')
    assert.deepEqual(await membersOf((await containers.readArchive(id, '/bind')).stream), { 'bind/': 'directory', 'bind/h': 'host\n' })
    await assert.rejects(containers.writeArchive(id, '/ro', await tarOf(['x', '']), INTO), { code: 'read-only-mount', message: 'mounted volume is marked read-only' })
    await containers.remove(id, { force: true })
    await volumes.remove('cpvol', false)
    const readOnly = await created(['true'], { hostConfig: { NetworkMode: 'none', ReadonlyRootfs: true } })
    await assert.rejects(containers.writeArchive(readOnly, '/', await tarOf(['x', '']), INTO), { code: 'read-only-mount', message: 'container rootfs is marked read-only' })
    await containers.remove(readOnly, { force: true })
  } finally {
    rmSync(host, { recursive: true, force: true })
  }
})

test('no link and no name leads out of the container', { skip }, async () => {
  const { containers } = fixture.engine
  const victim = mkdtempSync('/tmp/shoal-e2e-victim-')
  try {
    writeFileSync(join(victim, 'secret'), 'mine')
    const { id } = await outputOf(`cd /root; busybox ln -s ${victim} abs; busybox ln -s ../../../../../../../../..${victim} rel; busybox ln -s / top; busybox ln -s abs/secret file; busybox ln -s loop loop`)
    for (const path of ['/root/abs/secret', '/root/rel/secret', '/root/top/..' + victim + '/secret', `/../../..${victim}/secret`, '/root/file/']) await assert.rejects(containers.readArchive(id, path), { code: 'no-such-path' }, path)
    await assert.rejects(containers.readArchive(id, '/root/loop/x'), { code: 'too-many-symlinks' })
    for (const path of ['/root/abs', '/root/rel']) await assert.rejects(containers.writeArchive(id, path, await tarOf(['new', 'x']), INTO), { code: 'no-such-path' }, path)
    await assert.rejects(containers.writeArchive(id, '/root', await tarOf(['../../x', '']), INTO), { code: 'path-outside' })
    await containers.writeArchive(id, '/root', await tarOf([{ name: 'out', type: 'symlink', linkname: victim }]), INTO)
    await assert.rejects(containers.writeArchive(id, '/root', await tarOf(['out/new', 'x']), INTO))
    await assert.rejects(containers.writeArchive(id, '/root', await tarOf([{ name: 'hard', type: 'link', linkname: 'abs/secret' }]), INTO))
    assert.deepEqual(readdirSync(victim), ['secret'])
    assert.deepEqual(await membersOf((await containers.readArchive(id, '/root/top/root/file')).stream), { file: 'symlink abs/secret' })
    await containers.remove(id, { force: true })
  } finally {
    rmSync(victim, { recursive: true, force: true })
  }
})

test('a container that swaps a directory for a link all the time gives and gets nothing of the host', { skip }, async () => {
  const { containers } = fixture.engine
  const victim = mkdtempSync('/tmp/shoal-e2e-victim-')
  try {
    mkdirSync(join(victim, 'inner'))
    writeFileSync(join(victim, 'inner/secret'), 'mine')
    const { id } = await run(fixture.engine, request(['sh', '-c', `cd /root; mkdir -p real/inner; echo own > real/inner/secret; busybox ln -s ${victim} link; busybox cp -a real d; touch ready; while true; do busybox mv d real2; busybox mv link d; busybox mv d link; busybox mv real2 d; done`]))
    let answers = 0
    for (let round = 0; round < 300; round++) {
      const read = await containers.readArchive(id, '/root/d/inner/secret').catch(() => undefined)
      if (read !== undefined) {
        answers++
        assert.notEqual((await membersOf(read.stream))['secret'], 'mine')
      }
      await containers.writeArchive(id, '/root/d', await tarOf(['inner/new', 'x']), INTO).catch(() => undefined)
    }
    assert.ok(answers > 0, 'nothing was ever read')
    assert.deepEqual(readdirSync(join(victim, 'inner')), ['secret'])
    await containers.remove(id, { force: true })
  } finally {
    rmSync(victim, { recursive: true, force: true })
  }
})

test('diff tells what was added, changed and deleted', { skip }, async () => {
  const { containers } = fixture.engine
  const { id } = await outputOf('echo new > /tmp/n; mkdir -p /a/b; touch /a/b/c; echo x >> /etc/group; rm /etc/passwd; rm -r /root; mkdir /root; touch /root/r')
  const kinds = ['C', 'A', 'D']
  assert.deepEqual((await containers.changes(id)).map(({ Path, Kind }) => `${kinds[Kind ?? 0]} ${Path}`), ['A /a', 'A /a/b', 'A /a/b/c', 'C /etc', 'C /etc/group', 'D /etc/passwd', 'C /root', 'A /root/r', 'C /tmp', 'A /tmp/n'])
  const fresh = await outputOf('true')
  assert.deepEqual(await containers.changes(fresh.id), [])
  for (const one of [id, fresh.id]) await containers.remove(one)
})

test('export gives the whole file system, which can be imported again', { skip }, async () => {
  const { containers, images } = fixture.engine
  const { id } = await outputOf('echo kept > /root/kept; rm /bin/yes')
  await images.import(await containers.export(id), { repository: 'exported', changes: ['CMD ["sh", "-c", "cat /root/kept; test -e /bin/yes || echo gone; cat /etc/passwd | head -1"]'] })
  const { id: copy, exit } = await run(fixture.engine, { config: { Image: 'exported' }, hostConfig: { NetworkMode: 'none' } })
  assert.equal(await exit, 0)
  assert.equal(await logsOf(fixture.engine, copy), 'kept\ngone\nroot:x:0:0:root:/root:/bin/sh\n')
  for (const one of [id, copy]) await containers.remove(one)
  await images.remove('exported', { force: true, prune: true })
})

test('long names, hard links, special files and large files survive the way', { skip }, async () => {
  const { containers } = fixture.engine
  const long = `${'x'.repeat(120)}/${'ü'.repeat(80)}`
  const { id } = await outputOf(`cd /root; mkdir ${'x'.repeat(120)}; echo l > ${long}; busybox dd if=/dev/zero of=big bs=1M count=3; busybox ln big hard; busybox mkfifo pipe`)
  const directory = mkdtempSync('/tmp/shoal-e2e-untar-')
  try {
    execFileSync('tar', ['-x', '-C', directory], { input: await bytesOf((await containers.readArchive(id, '/root')).stream) })
    assert.equal(readFileSync(join(directory, 'root', long), 'utf8'), 'l\n')
    assert.equal(execFileSync('stat', ['-c', '%s %h', join(directory, 'root/hard')]).toString(), `${3 << 20} 2\n`)
    assert.equal(execFileSync('stat', ['-c', '%F', join(directory, 'root/pipe')]).toString(), 'fifo\n')
    await containers.writeArchive(id, '/tmp', Readable.from([execFileSync('tar', ['-c', '-C', directory, 'root'], { maxBuffer: 1 << 26 })]), INTO)
    const back = await membersOf((await containers.readArchive(id, '/tmp/root')).stream)
    assert.deepEqual(Object.keys(back).sort(), ['root/', 'root/big', 'root/hard', 'root/pipe', `root/${'x'.repeat(120)}/`, `root/${long}`].sort())
    await containers.remove(id)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('a copy leaves nothing mounted, and a run may begin in the middle of one', { skip }, async () => {
  const { containers } = fixture.engine
  const id = await created(['sh', '-c', 'echo ran > /root/ran'])
  const { stream } = await containers.readArchive(id, '/bin')
  const { result } = await containers.wait(id, 'next-exit')
  await containers.start(id)
  await result
  assert.ok((await bytesOf(stream)).length > 1_000_000)
  assert.equal((await membersOf((await containers.readArchive(id, '/root/ran')).stream))['ran'], 'ran\n')
  const mounts = (): readonly string[] => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => line.includes(`${fixture.root}/data/snapshots/${id}`))
  await eventually('nothing is mounted', SOON_MS, async () => mounts().length === 0 || undefined)
  await containers.remove(id)
})

test('commit makes an image of what a container changed, and a running one goes on', { skip }, async () => {
  const { containers, images } = fixture.engine
  const { id } = await run(fixture.engine, request(['sh', '-c', 'echo new > /root/n; rm /bin/yes; rm -r /tmp; mkdir /tmp; touch /tmp/t; touch /root/done; sleep 100'], { config: { Image: 'busybox', Env: ['A=1', 'B=2'], Cmd: ['sh', '-c', 'echo new > /root/n; rm /bin/yes; rm -r /tmp; mkdir /tmp; touch /tmp/t; touch /root/done; sleep 100'] } }))
  await eventually('it has changed all', SOON_MS, async () => containers.statPath(id, '/root/done').catch(() => undefined))
  const { Id } = await images.commit({ container: id, repository: 'committed', tag: 'v1', comment: 'why', author: 'me', pause: true, changes: ['ENV A=3 C=4', 'CMD ["sh", "-c", "cat /root/n; ls /tmp; test -e /bin/yes || echo gone; echo $A$B$C"]', 'LABEL x=y'] })
  assert.equal((await containers.inspect(id)).State?.Status, 'running')
  const image = await images.inspect('committed:v1')
  assert.deepEqual([image.Id, image.Author, image.Comment, image.RootFS?.Layers?.length, image.Config?.Labels], [Id, 'me', 'why', 2, { x: 'y' }])
  assert.deepEqual((await images.history('committed:v1')).map(step => step['Comment']), ['why', 'Imported from -'])
  const copy = await run(fixture.engine, { config: { Image: 'committed:v1' }, hostConfig: { NetworkMode: 'none' } })
  assert.equal(await copy.exit, 0)
  assert.equal(await logsOf(fixture.engine, copy.id), 'new\nt\ngone\n324\n')
  // Nothing changed: no further layer.
  const untouched = await created(['true'])
  const same = await images.commit({ container: untouched, pause: true, changes: [] })
  assert.equal((await images.inspect(same.Id)).RootFS?.Layers?.length, 1)
  await assert.rejects(images.commit({ container: id, pause: true, changes: ['FOO x'] }), { code: 'invalid-change', message: 'foo is not a valid change command' })
  assert.equal((await containers.inspect(id)).State?.Status, 'running')
  for (const one of [id, copy.id, untouched]) await containers.remove(one, { force: true })
  for (const one of ['committed:v1', same.Id]) await images.remove(one, { force: true, prune: true })
})

test('limits change while the container runs and are there again after a restart', { skip }, async () => {
  const { containers } = fixture.engine
  const { kernel, cgroupParent } = fixture.options
  const { id } = await run(fixture.engine, request(['sleep', '100']))
  const limits = (): readonly (string | undefined)[] => (kernel.cgroups.version === 2
    ? [kernel.cgroups.read(`${cgroupParent}/${id}`, 'memory', 'memory.max'), kernel.cgroups.read(`${cgroupParent}/${id}`, 'pids', 'pids.max'), kernel.cgroups.read(`${cgroupParent}/${id}`, 'cpu', 'cpu.max')]
    : [kernel.cgroups.read(`${cgroupParent}/${id}`, 'memory', 'memory.limit_in_bytes'), kernel.cgroups.read(`${cgroupParent}/${id}`, 'pids', 'pids.max'), kernel.cgroups.read(`${cgroupParent}/${id}`, 'cpu', 'cpu.cfs_quota_us')]).map(text => text?.trim())
  await containers.update(id, { Memory: 64 << 20, MemorySwap: 128 << 20, PidsLimit: 33, NanoCpus: 5e8, RestartPolicy: { Name: 'always' } })
  const expected = [String(64 << 20), '33', kernel.cgroups.version === 2 ? '50000 100000' : '50000']
  assert.deepEqual(limits(), expected)
  await assert.rejects(containers.update(id, { Memory: 1 << 30 }), { code: 'invalid-update' })
  await containers.update(id, { Memory: 128 << 20, MemorySwap: 256 << 20 })
  await containers.restart(id, { timeoutSeconds: 0 })
  assert.deepEqual(limits(), [String(128 << 20), ...expected.slice(1)])
  assert.equal((await containers.inspect(id)).HostConfig?.RestartPolicy?.Name, 'always')
  await containers.remove(id, { force: true })
})

test('sizes count shared layers once', { skip }, async () => {
  const { containers, images, volumes } = fixture.engine
  const { id } = await outputOf('echo 12345 > /root/n; echo 1234567 > /data/v', { hostConfig: { NetworkMode: 'none', Binds: ['sized:/data'] } })
  const { Id } = await images.commit({ container: id, pause: true, changes: [] })
  const base = (await images.inspect('busybox')).Size ?? 0
  assert.equal((await images.inspect(Id)).Size, base + 6)
  const list = await images.list({ all: true, sharedSize: true })
  assert.deepEqual(list.map(image => image.SharedSize), [base, base])
  assert.deepEqual((await images.list({ all: true })).map(image => image.SharedSize), [-1, -1])
  assert.equal(await images.layersBytes(), base + 6)
  const [summary] = await containers.list({ all: true, size: true })
  assert.deepEqual([summary?.SizeRw, summary?.SizeRootFs], [6, base + 6])
  assert.deepEqual((await volumes.list({}, { size: true })).Volumes.map(volume => volume.UsageData), [{ Size: 8, RefCount: 1 }])
  await containers.remove(id)
  await images.remove(Id, { force: true, prune: true })
  await volumes.remove('sized', false)
})

/** What a shell script of docker commands prints, errors among it. */
async function cli(script: string): Promise<string> {
  const { containers, execs, images, volumes, events } = fixture.engine
  await using api = await startApi({ ...fakeBackends(), containers, execs, images, volumes, events })
  return await new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent', DOCKER_HOST: `unix://${api.socketPath}` }
    execFile('sh', ['-c', `exec 2>&1\n${script}`], { env, timeout: 60_000, maxBuffer: 1 << 24 }, (error, stdout) => { if (error?.killed === true) reject(error); else resolve(stdout) })
  })
}

test('the stock CLI copies, compares, exports and commits', { skip }, async () => {
  const here = mkdtempSync('/tmp/shoal-e2e-cli-')
  try {
    mkdirSync(join(here, 'd/sub'), { recursive: true })
    writeFileSync(join(here, 'd/sub/f'), 'deep\n')
    writeFileSync(join(here, 'one'), 'one\n')
    const out = await cli(`cd ${here}
      docker create --network none --name cc busybox sh -c 'ln -s /root/d/sub /tmp/l; rm /bin/yes; cat /root/d/sub/f' >/dev/null
      docker cp d cc:/root; docker cp one cc:/root/renamed; docker cp d/. cc:/tmp/; docker start -a cc
      docker diff cc
      docker cp cc:/root/d back; cat back/sub/f; docker cp cc:/root/renamed - | tar -xO; docker cp -L cc:/tmp/l followed; ls followed
      tar -c one | docker cp - cc:/tmp/l; docker cp cc:/root/d/sub/one - | tar -t
      docker cp cc:/nope . ; docker cp one cc:/nope/x; docker cp nobody:/x .
      docker export cc | tar -t | grep -c '^root/d/sub/'
      docker commit -m why -c 'CMD ["cat", "/root/renamed"]' cc made:v1 | cut -c1-7; docker run --rm --network none made:v1
      docker update --memory 64m --memory-swap 128m --cpus 0.5 --restart on-failure:3 cc; docker inspect cc -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}'
      docker ps -as --format '{{.Names}} {{.Size}}' | sed 's/ (virtual.*//'
      docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}}' | head -3
      docker rename cc cc; docker rm cc; docker rmi made:v1 | grep -c Deleted`)
    assert.deepEqual(out.trimEnd().split('\n').map(line => line.replace(/^Successfully copied .*/, 'copied')).filter(line => line !== 'copied'), [
      'deep', 'C /bin', 'D /bin/yes', 'C /root', 'A /root/d', 'A /root/d/sub', 'A /root/d/sub/f', 'A /root/renamed', 'C /tmp', 'A /tmp/l', 'A /tmp/sub', 'A /tmp/sub/f',
      'deep', 'one', 'f', 'one',
      'Error response from daemon: Could not find the file /nope in container cc', 'Error response from daemon: Could not find the file /nope in container cc', 'Error response from daemon: No such container: nobody',
      '3', 'sha256:', 'one', 'cc', '67108864 500000000 on-failure', 'cc 29B', 'Images 2 1', 'Containers 1 0', 'Local Volumes 0 0',
      'Error response from daemon: Renaming a container with the same name as its current name', 'Error: failed to rename container named cc', 'cc', '2',
    ])
  } finally {
    rmSync(here, { recursive: true, force: true })
  }
})
