import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { BuildArguments } from './build-arguments.ts'
import { takeDockerfile } from './build-context.ts'
import { findSources } from './copy-sources.ts'
import type { CopyInstruction } from './instruction.ts'
import { applyMetadata, type MetadataInstruction, type StageConfig } from './metadata.ts'
import { parseRunMount } from './mount-option.ts'
import { parseDockerfile } from './parse-dockerfile.ts'
import { pathPattern } from './path-pattern.ts'
import { readInstruction } from './read-instruction.ts'
import { planRun } from './run-step.ts'
import { splitFrames } from './split-frames.ts'
import { buildKeyOf } from './step-image.ts'
import { treeChecksum } from './tree-checksum.ts'

const EMPTY: StageConfig = { config: {}, author: '', hasCmd: false }
const args = (given: Readonly<Record<string, string>> = {}): BuildArguments => new BuildArguments(new Map(Object.entries(given)), 'amd64')
const nothing = (): boolean => false

/** A stage after these lines, and the last comment. */
function after(lines: string, given: Readonly<Record<string, string>> = {}): { readonly stage: StageConfig; readonly comment: string } {
  const context = { args: args(given), escape: '\\' }
  return parseDockerfile(lines).nodes.reduce((state, node) => applyMetadata(state.stage, readInstruction(node, '\\') as MetadataInstruction, context), { stage: EMPTY, comment: '' })
}

async function tree(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-build-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

test('configuration and history are those of the classic builder', () => {
  const { stage } = after('ENV A=1 B="two words"\nENV A=$B-x C=$A\nLABEL "a b"=c\nEXPOSE 80 90-91/udp 8080:70\nVOLUME /v\nUSER u\nSTOPSIGNAL SIGKILL\nENTRYPOINT ["e"]\nCMD echo hi')
  assert.deepEqual(stage.config, {
    Env: ['A=two words-x', 'B=two words', 'C=1'], Labels: { 'a b': 'c' }, ExposedPorts: { '80/tcp': {}, '90/udp': {}, '91/udp': {}, '70/tcp': {} }, Volumes: { '/v': {} }, User: 'u', StopSignal: 'SIGKILL',
    Entrypoint: ['e'], Cmd: ['/bin/sh', '-c', 'echo hi'],
  })
  assert.equal(after('CMD ["a","b c"]').comment, 'CMD ["a" "b c"]')
  assert.equal(after('ENV A=1 B="two words"').comment, 'ENV A=1 B=two words')
  assert.equal(after('HEALTHCHECK --interval=90s --retries=3 CMD true').comment, 'HEALTHCHECK &{["CMD-SHELL" "true"] "1m30s" "0s" "0s" \'\\x03\'}')
})

test('an entrypoint takes the command of the base away, but not the stage\'s own', () => {
  assert.equal(applyMetadata({ ...EMPTY, config: { Cmd: ['x'] } }, readInstruction({ line: 1, original: '', keyword: 'ENTRYPOINT', flags: [], rest: '["e"]', heredocs: [] }, '\\') as MetadataInstruction, { args: args(), escape: '\\' }).stage.config.Cmd, null)
  assert.deepEqual(after('CMD ["x"]\nENTRYPOINT ["e"]').stage.config.Cmd, ['x'])
})

test('values that make no sense are named', () => {
  assert.throws(() => after('EXPOSE abc'), { message: 'Invalid containerPort: abc' })
  assert.throws(() => after('STOPSIGNAL FOO'), { message: 'Invalid signal: FOO' })
})

test('an argument has the value of the command line, of its stage, of before the stages, or of this machine', () => {
  const given = args({ A: 'given', UNUSED: '1' })
  given.declareGlobal('A', 'global')
  given.declareGlobal('B', 'global')
  assert.equal(given.globals().get('A'), 'given')
  for (const name of ['A', 'B', 'C', 'TARGETARCH']) given.declare(name, undefined)
  given.declare('D', 'own')
  assert.deepEqual(Object.fromEntries(given.visible(new Map())), { A: 'given', B: 'global', D: 'own', TARGETARCH: 'amd64' })
  assert.deepEqual(Object.fromEntries(given.visible(new Map([['A', 'env']]))), { B: 'global', D: 'own', TARGETARCH: 'amd64' })
  given.startStage()
  assert.deepEqual([...given.visible(new Map())], [])
  assert.deepEqual(given.unused(), ['UNUSED'])
})

test('a proxy is there without ARG, and no reason to build again', () => {
  const given = args({ HTTP_PROXY: 'http://p' })
  const run = readInstruction({ line: 1, original: '', keyword: 'RUN', flags: [], rest: 'x', heredocs: [] }, '\\')
  assert.ok(run.kind === 'run')
  const plan = planRun(run, EMPTY, { args: given })
  assert.deepEqual(plan, { command: ['/bin/sh', '-c', 'x'], env: ['HTTP_PROXY=http://p'], createdBy: '/bin/sh -c x', script: undefined })
  given.declare('HTTP_PROXY', undefined)
  assert.equal(planRun(run, EMPTY, { args: given }).createdBy, '|1 HTTP_PROXY=http://p /bin/sh -c x')
})

test('a document is the shell\'s script, its own, or stands behind the command', () => {
  const planned = (text: string): readonly string[] => {
    const run = readInstruction(parseDockerfile(`FROM x\n${text}`).nodes[1] ?? assert.fail(), '\\')
    assert.ok(run.kind === 'run')
    return planRun(run, EMPTY, { args: args() }).command
  }
  assert.deepEqual(planned('RUN <<EOF\necho a\nEOF'), ['/bin/sh', '-c', 'echo a\n'])
  assert.deepEqual(planned('RUN <<EOF\n#!/bin/awk -f\n1\nEOF'), ['/dev/pipes/EOF'])
  assert.deepEqual(planned('RUN cat <<EOF >x\na\nEOF'), ['/bin/sh', '-c', 'cat <<EOF >x\na\nEOF\n'])
})

test('the key of a step tells all that decides its result apart, and does not depend on the order of keys', () => {
  const key = (stage: Partial<StageConfig>, createdBy = 'x'): string => buildKeyOf(createdBy, { ...EMPTY, ...stage })
  assert.equal(key({ config: { Labels: { a: '1', b: '2' } } }), key({ config: { Labels: { b: '2', a: '1' } } }))
  assert.notEqual(key({ config: { Env: ['a', 'b'] } }), key({ config: { Env: ['b', 'a'] } }))
  assert.notEqual(key({}), key({ author: 'me' }))
  assert.notEqual(key({}), key({}, 'y'))
})

test('what is copied is known by names, modes and contents, whatever the times', async t => {
  const one = await tree(t, { 'd/a': '1', 'd/b': '2' })
  const other = await tree(t, { 'd/a': '1', 'd/b': '2' })
  const sum = (root: string): Promise<string> => treeChecksum(join(root, 'd'), '', nothing)
  await utimes(join(other, 'd/a'), 1, 1)
  assert.equal(await sum(one), await sum(other))
  await writeFile(join(other, 'd/a'), '3')
  assert.notEqual(await sum(one), await sum(other))
})

const COPY: CopyInstruction & { readonly original: string; readonly line: number } = { kind: 'copy', original: '', line: 1, sources: [], destination: '/', heredocs: [], from: undefined, chown: undefined, chmod: undefined, checksum: undefined, exclude: [] }
async function found(root: string, sources: readonly string[], more: Partial<CopyInstruction> = {}): Promise<readonly string[]> {
  const result = await findSources({ instruction: { ...COPY, ...more } as typeof COPY, sources, documents: [], root, scratch: root, signal: new AbortController().signal })
  return result.map(({ path }) => path.slice(root.length))
}

test('sources stay in the context, whatever links say', async t => {
  const root = await tree(t, { 'in/a': '1', etc: 'mine' })
  await symlink('/etc', join(root, 'link'))
  await symlink('../../../../../../etc', join(root, 'in/up'))
  assert.deepEqual(await found(root, ['link', 'in/up', '/in/a']), ['/etc', '/etc', '/in/a'])
  await assert.rejects(found(root, ['link/passwd']), { message: /^COPY failed: file not found in build context or excluded by .dockerignore: stat link\/passwd/ })
  await assert.rejects(found(root, ['../x']), { message: 'COPY failed: forbidden path outside the build context: ../x ()' })
  await assert.rejects(found(root, ['in/../../x']), /forbidden path outside/)
})

test('patterns match within one part of the path, and --exclude leaves files out', async t => {
  const root = await tree(t, { 'a.txt': '', 'b.txt': '', 'd/c.txt': '', 'd/e.md': '' })
  assert.deepEqual(await found(root, ['*.txt']), ['/a.txt', '/b.txt'])
  assert.deepEqual(await found(root, ['*/*.txt', '[^a]*']), ['/d/c.txt', '/b.txt', '/d'])
  assert.deepEqual(await found(root, ['*.txt'], { exclude: ['b*'] }), ['/a.txt'])
  await assert.rejects(found(root, ['nope*']), { message: 'COPY failed: no source files were specified' })
  assert.equal(pathPattern('a['), undefined)
})

test('the Dockerfile leaves the context when .dockerignore says so', async t => {
  const root = await tree(t, { Dockerfile: 'FROM x', '.dockerignore': '# comment\n*\n!keep\n', keep: '' })
  assert.equal(await takeDockerfile(root, ''), 'FROM x')
  await assert.rejects(takeDockerfile(root, ''), { message: 'Cannot locate specified Dockerfile: Dockerfile' })
})

test('a Dockerfile that is a link out of the context is not found', async t => {
  const root = await tree(t, { x: '' })
  await symlink('/etc/passwd', join(root, 'Dockerfile'))
  await assert.rejects(takeDockerfile(root, 'Dockerfile'), { code: 'no-dockerfile' })
})

test('a mount says what it is', () => {
  assert.deepEqual(parseRunMount('type=cache,dst=c,sharing=locked,uid=5,mode=0700', '/w'), { kind: 'cache', target: '/w/c', id: '/w/c', sharing: 'locked', readOnly: false, uid: 5, gid: 0, mode: 0o700 })
  assert.deepEqual(parseRunMount('target=/x,from=stage,rw', '/'), { kind: 'bind', target: '/x', source: '/', from: 'stage', writable: true })
  assert.deepEqual(parseRunMount('type=secret,id=a/b', '/'), { kind: 'secret', target: '/run/secrets/b', env: undefined, id: 'a/b', required: false, uid: 0, gid: 0, mode: 0o400 })
  assert.deepEqual(parseRunMount('type=tmpfs,target=/t,size=2m', '/'), { kind: 'tmpfs', target: '/t', sizeBytes: 2 * 1024 * 1024 })
  assert.throws(() => parseRunMount('type=ssh', '/'), { code: 'unsupported-instruction' })
  for (const wrong of ['type=what,target=/x', 'type=cache', 'type=cache,target=/', 'type=cache,target=/x,nope=1', 'type=tmpfs,target=/x,size=big']) assert.throws(() => parseRunMount(wrong, '/'), { code: 'bad-mount' }, wrong)
})

test('output comes apart into its streams, with characters whole', async () => {
  const frame = (stream: number, bytes: Buffer): Buffer => { const header = Buffer.alloc(8); header[0] = stream; header.writeUInt32BE(bytes.length, 4); return Buffer.concat([header, bytes]) }
  const umlaut = Buffer.from('ü')
  const all = Buffer.concat([frame(1, umlaut.subarray(0, 1)), frame(2, Buffer.from('err')), frame(1, umlaut.subarray(1))])
  const pieces = []
  for await (const piece of splitFrames((async function* () { for (const byte of all) yield Buffer.from([byte]) })())) pieces.push(piece)
  assert.deepEqual(pieces, [{ isError: true, text: 'err' }, { isError: false, text: 'ü' }])
})
