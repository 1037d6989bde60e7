import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import { busyboxTar, canRunContainers, createEngineFixture, logsOf, request, run, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
let fixture: EngineFixture

before(async () => { if (skip === false) fixture = await createEngineFixture() })
after(async () => { if (skip === false) await fixture[Symbol.asyncDispose]() })

async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A tar of these members; a string is a file's contents. */
async function tarOf(members: readonly (readonly [Partial<Header> & { name: string } | string, string?])[]): Promise<Buffer> {
  const tar = pack()
  for (const [header, text] of members) tar.entry(typeof header === 'string' ? { name: header } : header as Header, text ?? '')
  tar.finalize()
  return bytesOf(tar)
}

async function load(bytes: Buffer): Promise<readonly unknown[]> {
  const lines: unknown[] = []
  for await (const line of fixture.engine.images.load(Readable.from([bytes]), { quiet: true })) lines.push(line)
  return lines
}

/** What is on disk of layers and images. */
function disk(): readonly string[] {
  const layers = join(fixture.root, 'data/layers')
  return [...readdirSync(layers), ...readdirSync(join(layers, 'blobs')), ...readdirSync(join(layers, 'tmp')), ...readdirSync(join(fixture.root, 'data/images/configs'))]
}

test('save and load give back the same image, and the layer is kept once', { skip }, async () => {
  const { images } = fixture.engine
  const { Id: id } = await images.inspect('busybox')
  const saved = await bytesOf(await images.save(['busybox:latest']))
  await images.tag('busybox', 'copy', 'v1')
  assert.deepEqual(await images.remove('copy:v1', { force: false, prune: true }), [{ Untagged: 'copy:v1' }])
  const removed = await images.remove('busybox', { force: false, prune: true })
  assert.deepEqual(removed.map(entry => Object.keys(entry)[0]), ['Untagged', 'Deleted', 'Deleted'])
  assert.deepEqual(disk().filter(name => name !== 'blobs' && name !== 'tmp'), [])
  assert.deepEqual(await load(saved), [{ stream: 'Loaded image: busybox:latest\n' }])
  assert.equal((await images.inspect('busybox')).Id, id)
})

test('compressed layers are taken as they are', { skip }, async () => {
  const { images } = fixture.engine
  const tar = await bytesOf(busyboxTar())
  const { id } = await images.import(Readable.from([gzipSync(tar)]), { repository: 'zipped', changes: ['CMD ["echo", "zipped"]'] })
  const { id: container, exit } = await run(fixture.engine, { ...request([]), config: { Image: 'zipped' } })
  assert.equal(await exit, 0)
  assert.equal(await logsOf(fixture.engine, container), 'zipped\n')
  await fixture.engine.containers.remove(container)
  await images.remove(id, { force: true, prune: true })
})

test('what is no image is refused as such and leaves nothing behind', { skip }, async () => {
  const before = disk()
  const saved = await bytesOf(await fixture.engine.images.save(['busybox:latest']))
  const wrongDigest = Buffer.from(saved)
  wrongDigest[1_000_000] = (wrongDigest[1_000_000] ?? 0) ^ 0xff
  const damaged = [Buffer.from('garbage'.repeat(1000)), Buffer.alloc(0), saved.subarray(0, 900_000), gzipSync(saved).subarray(0, 5000), await tarOf([['manifest.json', '{"not": "a list"}']]), await tarOf([['manifest.json', '[{"Config":"../x","Layers":[]}]']])]
  for (const [at, bytes] of damaged.entries()) await assert.rejects(load(bytes), { code: 'malformed-image', kind: 'invalid-argument' }, `load ${at}`)
  for (const bytes of damaged.slice(0, 4)) await assert.rejects(fixture.engine.images.import(Readable.from([bytes]), { changes: [] }), { code: 'malformed-image' })
  await fixture.engine.images.remove('busybox', { force: false, prune: true })
  await assert.rejects(load(wrongDigest), { code: 'malformed-image', message: /has digest/ })
  assert.deepEqual(disk().filter(name => name !== 'blobs' && name !== 'tmp'), [])
  await load(saved)
  assert.deepEqual(disk(), before)
})

test('an archive cannot write outside of its layer', { skip }, async () => {
  const victim = mkdtempSync('/tmp/shoal-e2e-victim-')
  try {
    writeFileSync(join(victim, 'file'), 'mine')
    const attacks = [
      [['../../../../../../../..' + victim + '/new', 'x']],
      [[victim + '/new', 'x']],
      [[{ name: 'link', type: 'symlink', linkname: victim }], ['link/new', 'x']],
      [[{ name: 'hard', type: 'link', linkname: join(victim, 'file') }], ['hard', 'changed']],
      [[{ name: 'up', type: 'symlink', linkname: '../../../../../../../..' + victim }], [{ name: 'up/new', type: 'directory' }]],
    ] as const
    for (const members of attacks) {
      const tar = await tarOf(members as Parameters<typeof tarOf>[0])
      const result = await fixture.engine.images.import(Readable.from([tar]), { changes: [] }).catch(() => undefined)
      if (result !== undefined) await fixture.engine.images.remove(result.id, { force: true, prune: true })
      assert.deepEqual(readdirSync(victim), ['file'], JSON.stringify(members))
      assert.equal(readFileSync(join(victim, 'file'), 'utf8'), 'mine')
    }
  } finally {
    rmSync(victim, { recursive: true, force: true })
  }
})

test("a start does not follow an image's links out of it", { skip }, async () => {
  const victim = mkdtempSync('/tmp/shoal-e2e-victim-')
  try {
    const tar = busyboxTar(root => {
      rmSync(join(root, 'etc/passwd'))
      symlinkSync('/../../../../../../etc/shadow', join(root, 'etc/passwd'))
      symlinkSync(victim, join(root, 'work'))
    })
    await fixture.engine.images.import(tar, { repository: 'evil', changes: ['WORKDIR /work/inside'] })
    const { id, exit } = await run(fixture.engine, { ...request(['pwd']), config: { Image: 'evil', Cmd: ['pwd'] } })
    await exit
    assert.deepEqual(readdirSync(victim), [])
    await fixture.engine.containers.remove(id)
    await fixture.engine.images.remove('evil', { force: true, prune: true })
  } finally {
    rmSync(victim, { recursive: true, force: true })
  }
})

test('upper layers delete and replace what lower ones have', { skip }, async () => {
  const root = mkdtempSync('/tmp/shoal-e2e-layers-')
  try {
    const lower = await bytesOf(busyboxTar(base => {
      mkdirSync(join(base, 'data/sub'), { recursive: true })
      writeFileSync(join(base, 'data/gone'), '')
      writeFileSync(join(base, 'data/sub/hidden'), '')
    }))
    const upper = await tarOf([['data/.wh.gone', ''], ['data/sub/.wh..wh..opq', ''], ['data/sub/new', 'n']])
    const digest = (bytes: Buffer): string => `sha256:${execFileSync('sha256sum', { input: bytes }).toString().slice(0, 64)}`
    const config = JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Cmd: ['sh'] }, rootfs: { type: 'layers', diff_ids: [digest(lower), digest(upper)] } })
    const archive = await tarOf([['manifest.json', JSON.stringify([{ Config: 'c.json', RepoTags: ['two:layers'], Layers: ['a.tar', 'b.tar'] }])], ['c.json', config]])
    // tar-stream takes text; the layers are added with tar itself.
    writeFileSync(join(root, 'all.tar'), archive)
    writeFileSync(join(root, 'a.tar'), lower)
    writeFileSync(join(root, 'b.tar'), upper)
    execFileSync('tar', ['-C', root, '-rf', join(root, 'all.tar'), 'a.tar', 'b.tar'])
    await load(readFileSync(join(root, 'all.tar')))
    const { id, exit } = await run(fixture.engine, { ...request([]), config: { Image: 'two:layers', Cmd: ['sh', '-c', 'ls /data /data/sub'] } })
    await exit
    assert.equal(await logsOf(fixture.engine, id), '/data:\nsub\n\n/data/sub:\nnew\n')
    await assert.rejects(fixture.engine.images.remove('two:layers', { force: false, prune: true }), { code: 'image-in-use', kind: 'conflict' })
    await fixture.engine.containers.remove(id)
    await fixture.engine.images.remove('two:layers', { force: false, prune: true })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
