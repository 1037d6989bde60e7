import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import type { BuildMessage, BuildRequest } from '../../src/api/engine/build-request.ts'
import { canRunContainers, createEngineFixture, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
let fixture: EngineFixture

before(async () => { if (skip === false) fixture = await createEngineFixture() })
after(async () => { if (skip === false) await fixture[Symbol.asyncDispose]() })

const REQUEST: BuildRequest = {
  dockerfile: '', tags: [], quiet: false, noCache: false, cacheFrom: [], pull: false, removeContainers: true, alwaysRemoveContainers: false, buildArgs: {}, labels: {}, target: '', platform: '',
  hostConfig: { NetworkMode: 'none' }, registryAuth: {}, secrets: new Map(), buildId: '',
}
type Files = Readonly<Record<string, string | Buffer | Partial<Header>>>

async function tarOf(files: Files): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === 'string' || Buffer.isBuffer(content)) tar.entry({ name }, content)
    else tar.entry({ name, ...content })
  }
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

interface Built { readonly output: string; readonly id: string; readonly error: string | undefined; readonly code: number | undefined }

async function build(dockerfile: string, files: Files = {}, more: Partial<BuildRequest> = {}, signal = new AbortController().signal, onText: (text: string) => void = () => undefined): Promise<Built> {
  let built: Built = { output: '', id: '', error: undefined, code: undefined }
  for await (const message of fixture.engine.builder.build({ ...REQUEST, ...more }, Readable.from([await tarOf({ Dockerfile: dockerfile, ...files })]), signal)) {
    const { stream = '', aux, error, errorDetail } = message as BuildMessage & { stream?: string; aux?: { ID: string }; error?: string; errorDetail?: { code?: number } }
    built = { output: built.output + stream, id: aux?.ID ?? built.id, error: error ?? built.error, code: errorDetail?.code ?? built.code }
    onText(stream)
  }
  return built
}

/** What a command printed in the last step. */
function said({ output }: Built): string {
  const last = output.slice(output.lastIndexOf('---> Running in '))
  return /^---> Running in [0-9a-f]{12}\n([\s\S]*?)Removing intermediate container /.exec(last)?.[1] ?? output
}

function leftovers(): readonly string[] {
  const data = join(fixture.root, 'data')
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => line.includes(fixture.root))
  return [...readdirSync(join(data, 'layers/tmp')), ...readdirSync(join(data, 'snapshots')), ...readdirSync(join(data, 'build/running')), ...mounts]
}

async function containers(): Promise<readonly string[]> { return (await fixture.engine.containers.list({ all: true })).map(({ Names }) => Names?.[0] ?? '') }

test('an image comes of a Dockerfile, its steps are hidden, and nothing else stays', { skip }, async () => {
  const { images } = fixture.engine
  const built = await build('FROM busybox\nENV A=1\nCOPY f /d/\nRUN cat /d/f; echo $A > /made\nCMD ["cat","/made"]', { f: 'hello\n' }, { tags: ['made', 'made:two'], labels: { k: 'v w' } })
  assert.match(built.output, /^Step 1\/6 : FROM busybox\n ---> [0-9a-f]{12}\nStep 2\/6 : ENV A=1\n ---> Running in [0-9a-f]{12}\nRemoving intermediate container [0-9a-f]{12}\n ---> [0-9a-f]{12}\nStep 3\/6 : COPY f \/d\/\n ---> [0-9a-f]{12}\n/)
  assert.match(built.output, /hello\nRemoving[^]*Step 6\/6 : LABEL k=v w\n[^]*Successfully built [0-9a-f]{12}\nSuccessfully tagged made:latest\nSuccessfully tagged made:two\n$/)
  const image = await images.inspect('made')
  assert.equal(image.Id, built.id)
  assert.deepEqual([image.Config?.Cmd, image.Config?.Env, image.Config?.Labels, image.RootFS?.Layers?.length], [['cat', '/made'], ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=1'], { k: 'v w' }, 3])
  assert.deepEqual((await images.list({})).map(({ RepoTags }) => RepoTags).sort(), [['busybox:latest'], ['made:latest', 'made:two']])
  assert.equal((await images.list({ all: true })).length, 6)
  assert.deepEqual(leftovers(), [])
  assert.deepEqual(await containers(), [])
  await images.remove('made:two', { force: false, prune: true })
  await images.remove('made', { force: false, prune: true })
  assert.equal((await images.list({ all: true })).length, 1)
})

test('the cache knows contents, not times; a new value of an argument ends it', { skip }, async () => {
  const dockerfile = 'FROM busybox\nARG V=1\nCOPY f /f\nRUN echo $V'
  const first = await build(dockerfile, { f: '1' })
  const again = await build(dockerfile, { f: '1' })
  assert.equal(again.id, first.id)
  assert.equal(again.output.match(/Using cache/g)?.length, 3)
  assert.equal((await build(dockerfile, { f: '1' }, { buildArgs: { V: '2' } })).output.match(/Using cache/g)?.length, 2)
  assert.equal((await build(dockerfile, { f: '2' })).output.match(/Using cache/g)?.length, 1)
  assert.equal((await build(dockerfile, { f: '1' }, { noCache: true })).output.includes('Using cache'), false)
  await fixture.reopen()
  assert.equal((await build(dockerfile, { f: '1' })).output.match(/Using cache/g)?.length, 3, 'after a restart')
})

test('an image that was brought from elsewhere is a cache when it is named', { skip }, async () => {
  const { images } = fixture.engine
  const dockerfile = 'FROM busybox\nCOPY f /f\nRUN cat /f > /g\nENV E=1'
  const { id } = await build(dockerfile, { f: 'elsewhere' }, { tags: ['elsewhere'] })
  const archive = await images.save(['elsewhere'])
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  await images.remove('elsewhere', { force: true, prune: true })
  for await (const _line of images.load(Readable.from(chunks), { quiet: true })) { /* loaded */ }
  assert.equal((await build(dockerfile, { f: 'elsewhere' })).output.includes('Using cache'), false)
  const cached = await build(dockerfile, { f: 'elsewhere' }, { cacheFrom: ['elsewhere'] })
  assert.equal(cached.output.match(/Using cache/g)?.length, 3)
  assert.equal((await images.inspect(cached.id)).RootFS?.Layers?.join(), (await images.inspect(id)).RootFS?.Layers?.join())
})

test('a command that fails ends the build with its status; its container stays unless that is not wanted', { skip }, async () => {
  const failed = await build('FROM busybox\nRUN echo partial > /x; exit 7')
  assert.deepEqual([failed.error, failed.code], ["The command '/bin/sh -c echo partial > /x; exit 7' returned a non-zero code: 7", 7])
  const [left = ''] = await containers()
  assert.match(left, /^\/build-[0-9a-f]{12}-\d+$/)
  await fixture.engine.containers.remove(left.slice(1), {})
  await build('FROM busybox\nRUN exit 7', {}, { alwaysRemoveContainers: true })
  assert.deepEqual(await containers(), [])
})

test('no path of a context or an image leads out of it', { skip }, async () => {
  const link = (linkname: string): Partial<Header> => ({ type: 'symlink', linkname })
  const files = { passwd: link('/etc/passwd'), up: link('../../../../../../../../etc/shadow'), 'dir/in': '1', 'dir/host': link('/'), host: link('/') }
  await assert.rejects(build('FROM busybox\nCOPY passwd /x', files), /COPY failed: file not found in build context/)
  await assert.rejects(build('FROM busybox\nCOPY up /x', files), /COPY failed: file not found in build context/)
  await assert.rejects(build('FROM busybox\nCOPY host/etc/hostname /x', files), /COPY failed: file not found/)
  await assert.rejects(build('FROM busybox\nCOPY ../../../etc/passwd /x', files), /forbidden path outside the build context/)
  await assert.rejects(build('FROM busybox\nRUN ln -s /etc/shadow /s\nFROM busybox\nCOPY --from=0 /s /x'), /COPY failed: stat \/s: file does not exist/)
  const linked = await build('FROM busybox\nRUN ln -s ../../../../../../../../../../tmp/outside /out\nCOPY dir/in /out/f\nCOPY dir /d/\nRUN ls /tmp/outside; cat /tmp/outside/f; readlink /d/host', files)
  assert.equal(said(linked), 'f\n1/\n')
  const outside = readdirSync('/tmp').includes('outside')
  assert.equal(outside, false)
})

test('ADD unpacks archives inside the image, whatever they say', { skip }, async () => {
  const good = gzipSync(await tarOf({ 'a/b': 'ok\n', link: { type: 'symlink', linkname: '/a' } }))
  assert.equal(said(await build('FROM busybox\nADD x.bin /u/\nCOPY x.bin /c\nRUN cat /u/a/b; readlink /u/link; ls /c', { 'x.bin': good })), 'ok\n/a\n/c\n')
  await assert.rejects(build('FROM busybox\nADD evil.tar /', { 'evil.tar': await tarOf({ '../../../../tmp/shoal-evil': 'x' }) }), /outside of where it is unpacked/)
  const through = await tarOf({ l: { type: 'symlink', linkname: '/../../../../../../tmp' }, 'l/shoal-evil': 'x' })
  await build('FROM busybox\nADD evil.tar /', { 'evil.tar': through })
  assert.equal(readdirSync('/tmp').includes('shoal-evil'), false)
  assert.equal((await build('FROM busybox\nADD text /t', { text: 'no archive' })).error, undefined)
})

test('what cannot be a context is refused before anything is said', { skip }, async () => {
  const { builder } = fixture.engine
  const rejected = async (bytes: Buffer, code: string): Promise<void> => {
    await assert.rejects(async () => { for await (const _message of builder.build(REQUEST, Readable.from([bytes]), new AbortController().signal)) { assert.fail('said something') } }, { code })
  }
  await rejected(Buffer.from('no tar at all, but more than nothing'.repeat(30)), 'malformed-archive')
  await rejected(Buffer.alloc(0), 'no-dockerfile')
  await rejected(await tarOf({ '../../x': '1', Dockerfile: 'FROM busybox' }), 'path-outside')
  await rejected(gzipSync(Buffer.alloc(4096)).subarray(0, 20), 'malformed-archive')
  await rejected(await tarOf({ Dockerfile: { type: 'symlink', linkname: '/etc/passwd' } }), 'no-dockerfile')
  assert.deepEqual(leftovers(), [])
})

test('RUN --mount gives caches, files, memory and secrets for one step', { skip }, async () => {
  const secrets = new Map([['token', Buffer.from('hush')]])
  const count = 'FROM busybox\nARG N\nRUN --mount=type=cache,target=/cache,id=c1 echo $N >> /cache/n; cat /cache/n'
  await build(count, {}, { buildArgs: { N: '1' } })
  assert.equal(said(await build(count, {}, { buildArgs: { N: '2' } })), '1\n2\n')
  const [usage] = await fixture.engine.builder.usage()
  assert.deepEqual([usage?.Type, usage?.UsageCount, usage?.InUse, usage?.Size], ['exec.cachemount', 2, false, 4])
  assert.equal((await fixture.engine.builder.prune({ all: false, keepBytes: 0, filters: {} })).CachesDeleted?.length, 1)
  const mounted = await build('FROM busybox AS s\nRUN echo staged > /staged\nFROM busybox\nRUN --mount=target=/ctx --mount=from=s,source=/staged,target=/m/staged --mount=type=tmpfs,target=/t --mount=type=secret,id=token --mount=type=secret,id=token,env=TOKEN cat /ctx/f /m/staged /run/secrets/token; echo " $TOKEN"; echo x > /t/x; ls -l /run/secrets | grep -c r--------\nRUN ls -A / /run || true', { f: 'context\n' }, { secrets })
  assert.match(mounted.output, /context\nstaged\nhush hush\n1\n/)
  assert.equal(/^(ctx|m|t|run)$/m.test(said(mounted)), false, said(mounted))
  const history = await fixture.engine.images.history(mounted.id)
  assert.equal(JSON.stringify([history, await fixture.engine.images.inspect(mounted.id)]).includes('hush'), false)
  await assert.rejects(build('FROM busybox\nRUN --mount=type=secret,id=none,required true'), { code: 'no-such-secret' })
  await assert.rejects(build('FROM busybox\nRUN --mount=type=ssh true'), { code: 'unsupported-instruction' })
  assert.deepEqual(leftovers(), [])
})

test('ADD of a URL keeps the time the server tells, checks a checksum, and follows to where the file is', { skip }, async t => {
  const server = http.createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/dir/file.txt?x=1' }).end()
    else if (request.url?.startsWith('/dir/file.txt') === true) response.writeHead(200, { 'last-modified': 'Sat, 03 Feb 2001 04:05:06 GMT' }).end('fetched\n')
    else response.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sum = '3d1ee6df36f9bb8a3ce81fa1cb71e7d68f4d50fdc9d03ff1c6f2ce2b7cd67ee3'
  assert.match(said(await build(`FROM busybox\nADD ${base}/moved /d/\nRUN cat /d/file.txt; ls -l /d/file.txt`)), /^fetched\n-rw------- +1 root +root +8 Feb +3 +2001 /)
  await assert.rejects(build(`FROM busybox\nADD ${base}/none /d/`), { message: `ADD failed: failed to GET ${base}/none with status 404 Not Found` })
  await assert.rejects(build(`FROM busybox\nADD --checksum=sha256:${sum} ${base}/dir/file.txt /d/`), /digest mismatch/)
})

test('a build whose client leaves, or that is cancelled, ends with what it runs', { skip }, async () => {
  const leave = new AbortController()
  await assert.rejects(build('FROM busybox\nRUN echo started; sleep 1000', {}, {}, leave.signal, text => { if (text === 'started\n') leave.abort(new Error('left')) }))
  assert.deepEqual(await containers(), [])
  await assert.rejects(build('FROM busybox\nRUN echo started; exec sleep 1000', {}, { buildId: 'b1' }, undefined, text => { if (text === 'started\n') void fixture.engine.builder.cancel('b1') }), { code: 'build-cancelled' })
  assert.deepEqual(await containers(), [])
  assert.deepEqual(leftovers(), [])
})

test('an image that a build goes on with is not pruned under it', { skip }, async () => {
  let pruning: Promise<unknown> = Promise.resolve()
  const built = await build('FROM busybox\nENV only=here\nRUN echo started; sleep 0.3\nRUN true', {}, { noCache: true }, undefined, text => { if (text === 'started\n') pruning = fixture.engine.images.prune({}) })
  await pruning
  assert.match(built.output, /Successfully built/)
})

test('what a build had when the daemon was killed is gone after the next start', { skip }, async () => {
  const { engine } = fixture
  const dockerfile = 'FROM busybox\nRUN --mount=type=secret,id=s --mount=target=/ctx echo started; sleep 1000'
  const messages = engine.builder.build({ ...REQUEST, secrets: new Map([['s', Buffer.from('x')]]) }, Readable.from([await tarOf({ Dockerfile: dockerfile })]), new AbortController().signal)
  for await (const message of { [Symbol.asyncIterator]: () => ({ next: () => messages.next() }) }) if (message['stream'] === 'started\n') break
  assert.equal((await containers()).length, 1)
  assert.notDeepEqual(leftovers(), [])
  // The engine before stays in memory, as a killed daemon does not: it is not asked for anything any more.
  await fixture.reopen()
  assert.deepEqual(await containers(), [])
  assert.deepEqual(leftovers(), [])
})

test('--rm=false keeps the containers of steps, with what they wrote', { skip }, async () => {
  const built = await build('FROM busybox\nRUN echo kept > /kept\nRUN cat /kept', {}, { removeContainers: false, noCache: true })
  assert.match(built.output, /kept\n ---> [0-9a-f]{12}\nSuccessfully built/)
  const names = await containers()
  assert.equal(names.length, 2)
  for (const name of names) await fixture.engine.containers.remove(name.slice(1), {})
})

test('documents are files, scripts and input', { skip }, async () => {
  const built = await build('FROM busybox\nARG W=world\nCOPY --chmod=600 --chown=web <<one <<"two" /d/\nhello $W\none\n$W\ntwo\nRUN <<EOF\n#!/bin/cat\nscript\nEOF\nRUN <<EOF\ncat /d/one /d/two\nls -l /d | cut -c1-10,17-30\nEOF')
  assert.match(built.output, /#!\/bin\/cat\nscript\n/)
  assert.match(said(built), /^hello world\n\$W\n/)
  assert.match(said(built), /-rw-------[^\n]*web/)
})

test('the layers of a build are the same when they are saved and loaded', { skip }, async () => {
  const { images } = fixture.engine
  const built = await build('FROM busybox\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b && ln /d/a /d/c && ln -s a /d/l\nRUN rm -r /d && mkdir /d && touch /d/z', {}, { tags: ['saved'] })
  const chunks: Buffer[] = []
  for await (const chunk of await images.save(['saved'])) chunks.push(chunk as Buffer)
  await images.remove('saved', { force: true, prune: true })
  for await (const _line of images.load(Readable.from(chunks), { quiet: true })) { /* loaded */ }
  assert.equal((await images.inspect('saved')).Id, built.id)
  assert.equal(said(await build('FROM saved\nRUN ls -A /d')), 'z\n')
})
