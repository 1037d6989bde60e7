import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { buildQuery, secretsHeader } from './build-flags.ts'
import { buildSource, type BuildSource } from './build-source.ts'
import { registryConfig } from './registry-config.ts'

async function tree(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-context-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

async function* bytes(text: string | Buffer): AsyncIterable<Uint8Array> { yield Buffer.from(text) }

/** Names and contents of what is sent. */
async function sent({ body }: BuildSource): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  const parser = extract()
  body?.pipe(parser)
  for await (const entry of parser) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    found[entry.header.name] = entry.header.type === 'symlink' ? `-> ${entry.header.linkname ?? ''}` : Buffer.concat(chunks).toString()
  }
  return found
}

test('a directory is sent with its links as links, empty files and nothing of what is ignored', async t => {
  const root = await tree(t, { Dockerfile: 'FROM x', '.dockerignore': '# c\n*.log\nnode_modules\n!keep.log\nDockerfile\n', 'a.log': '', 'keep.log': 'k', 'd/b.log': 'below', 'd/empty': '', 'node_modules/x/y': '' })
  await symlink('/etc/passwd', join(root, 'link'))
  const source = await buildSource(root, undefined, bytes(''))
  assert.equal(source.dockerfile, 'Dockerfile')
  assert.deepEqual(Object.keys(await sent(source)).sort(), ['.dockerignore', 'Dockerfile', 'd', 'd/b.log', 'd/empty', 'keep.log', 'link'])
})

test('what is wanted again below an ignored directory is sent', async t => {
  const root = await tree(t, { Dockerfile: 'FROM x', '.dockerignore': '*\n!d/e/keep\n!**/*.txt', 'd/e/keep': '1', 'd/e/lose': '', 'x/y/z.txt': '2', 'x/y/z.md': '' })
  assert.deepEqual(await sent(await buildSource(root, undefined, bytes(''))), { '.dockerignore': '*\n!d/e/keep\n!**/*.txt', Dockerfile: 'FROM x', 'd/e/keep': '1', 'x/y/z.txt': '2' })
})

test('a Dockerfile may have rules of its own, stand elsewhere, or come from standard input', async t => {
  const root = await tree(t, { 'context/sub/My': 'FROM my', 'context/sub/My.dockerignore': 'a', 'context/.dockerignore': 'b', 'context/a': '', 'context/b': '', Outside: 'FROM out' })
  const context = join(root, 'context')
  const own = await buildSource(context, join(context, 'sub/My'), bytes(''))
  assert.equal(own.dockerfile, 'sub/My')
  assert.deepEqual(Object.keys(await sent(own)).includes('a'), false)
  const outside = await buildSource(context, join(root, 'Outside'), bytes(''))
  assert.equal((await sent(outside))[outside.dockerfile], 'FROM out')
  const piped = await buildSource(context, '-', bytes('FROM piped'))
  assert.equal((await sent(piped))[piped.dockerfile], 'FROM piped')
})

test('standard input is a tar or a Dockerfile, and a URL is left to the daemon', async () => {
  assert.deepEqual(await sent(await buildSource('-', undefined, bytes('FROM x\n'))), { Dockerfile: 'FROM x\n' })
  const zipped = gzipSync('whatever')
  const chunks: Buffer[] = []
  for await (const chunk of (await buildSource('-', 'D', bytes(zipped))).body ?? []) chunks.push(chunk as Buffer)
  assert.deepEqual(Buffer.concat(chunks), zipped)
  assert.deepEqual(await buildSource('https://x/y.tar', undefined, bytes('')), { body: undefined, remote: 'https://x/y.tar', dockerfile: '' })
})

test('a path that is not there is named', async t => {
  const root = await tree(t, { a: '' })
  await assert.rejects(buildSource(join(root, 'none'), undefined, bytes('')), { code: 'bad-context' })
  await assert.rejects(buildSource(root, undefined, bytes('')), /unable to evaluate symlinks in Dockerfile path: lstat .*\/Dockerfile: no such file/)
})

test('flags become parameters', () => {
  const query = buildQuery({ cache: false, rm: true, buildArg: ['A=1=2', 'HOME', 'NONE'], label: ['l', 'm=n'], memory: '64m', ulimit: ['nofile=1:2'], addHost: ['h:1.1.1.1'] }, { HOME: '/h' })
  assert.deepEqual(Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)), {
    nocache: true, rm: true, buildargs: '{"A":"1=2","HOME":"/h","NONE":null}', labels: '{"l":"","m":"n"}', memory: 64 * 1024 ** 2, ulimits: '[{"Name":"nofile","Soft":1,"Hard":2}]', extrahosts: ['h:1.1.1.1'],
  })
  assert.throws(() => buildQuery({ cache: true, rm: true, memory: 'much' }, {}), { code: 'bad-flag' })
})

test('secrets are read from files or the environment, within a limit', async t => {
  const root = await tree(t, { token: 'hush', large: 'x'.repeat(9000) })
  const decoded = JSON.parse(Buffer.from(await secretsHeader([`id=a,src=${root}/token`, 'id=b,env=B', 'id=C'], { B: '1', C: '2' }), 'base64').toString()) as Readonly<Record<string, string>>
  assert.deepEqual(Object.fromEntries(Object.entries(decoded).map(([id, text]) => [id, Buffer.from(text, 'base64').toString()])), { a: 'hush', b: '1', C: '2' })
  await assert.rejects(secretsHeader([`id=a,src=${root}/large`], {}), { code: 'secrets-too-large' })
  await assert.rejects(secretsHeader(['id=a,env=NONE'], {}), { code: 'bad-flag' })
})

test('credentials of docker login go along', async t => {
  const root = await tree(t, { 'config.json': JSON.stringify({ auths: { 'r:5000': { auth: Buffer.from('u:p:w').toString('base64') }, empty: {} } }) })
  const header = await registryConfig({ DOCKER_CONFIG: root })
  assert.deepEqual(JSON.parse(Buffer.from(header ?? '', 'base64url').toString()), { 'r:5000': { username: 'u', password: 'p:w', serveraddress: 'r:5000' } })
  assert.equal(await registryConfig({ DOCKER_CONFIG: join(root, 'none') }), undefined)
})
