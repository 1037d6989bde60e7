import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseCapabilities, DEFAULT_CAPABILITIES } from './capabilities.ts'
import { DetachScanner, parseDetachKeys } from './attach-stream.ts'
import { encodeFrame, FrameParser } from './monitor-frames.ts'
import { AttachStream } from './attach-stream.ts'
import { runtimeFailure } from './runtime-error.ts'
import { DEFAULT_SECCOMP_PROFILE } from './seccomp-profile.ts'
import { resolveCustomSeccomp, resolveSeccomp } from './seccomp.ts'
import { lookUpUser } from './user-lookup.ts'
import { CAPABILITIES, capabilityNames } from '../../kernel/capabilities.ts'

const ALL = new Set(CAPABILITIES)

test('frames come out as they went in, however the stream is cut', () => {
  const bytes = Buffer.concat([encodeFrame(1, Buffer.from('abc')), encodeFrame(9), encodeFrame(2, Buffer.alloc(500, 7))])
  for (let cut = 1; cut < bytes.length; cut += 7) {
    const parser = new FrameParser()
    const frames = []
    for (let at = 0; at < bytes.length; at += cut) frames.push(...parser.push(bytes.subarray(at, at + cut)))
    assert.deepEqual(frames.map(frame => [frame.type, frame.body.length]), [[1, 3], [9, 0], [2, 500]])
  }
})

test('a frame of impossible length is refused', () => {
  assert.throws(() => new FrameParser().push(Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])), RangeError)
})

test('a container has fourteen capabilities unless told otherwise', () => {
  assert.deepEqual(chooseCapabilities({ add: [], drop: [], privileged: false }, ALL), { granted: DEFAULT_CAPABILITIES, missing: [] })
  assert.equal(DEFAULT_CAPABILITIES.length, 14)
})

test('capabilities are added and dropped by any spelling', () => {
  assert.deepEqual(chooseCapabilities({ add: ['net_admin'], drop: ['ALL'], privileged: false }, ALL).granted, ['CAP_NET_ADMIN'])
  assert.equal(chooseCapabilities({ add: ['ALL'], drop: ['CAP_SYS_ADMIN'], privileged: false }, ALL).granted.length, CAPABILITIES.length - 1)
  assert.throws(() => chooseCapabilities({ add: ['FLY'], drop: [], privileged: false }, ALL), { code: 'invalid-capability' })
})

test('a capability that the machine lacks is left out and told', () => {
  const machine = new Set(CAPABILITIES.filter(name => name !== 'CAP_SYS_RESOURCE'))
  assert.deepEqual(chooseCapabilities({ add: ['SYS_RESOURCE'], drop: [], privileged: false }, machine).missing, ['CAP_SYS_RESOURCE'])
  assert.deepEqual(chooseCapabilities({ add: [], drop: [], privileged: true }, machine).granted, [...machine])
})

test('a capability mask is read by bit number', () => {
  assert.deepEqual([...capabilityNames('0000000000000005')], ['CAP_CHOWN', 'CAP_DAC_READ_SEARCH'])
})

function actions(capabilities: readonly string[], name: string): readonly unknown[] {
  return (resolveSeccomp(DEFAULT_SECCOMP_PROFILE, capabilities, 'amd64').syscalls ?? []).filter(rule => (rule['names'] as string[]).includes(name)).map(rule => rule['action'])
}

test('the default profile lets mount pass with CAP_SYS_ADMIN only', () => {
  assert.deepEqual(actions(DEFAULT_CAPABILITIES, 'mount'), ['SCMP_ACT_ERRNO'])
  assert.deepEqual(actions([...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN'], 'mount'), ['SCMP_ACT_ALLOW'])
  assert.deepEqual(actions(DEFAULT_CAPABILITIES, 'keyctl'), ['SCMP_ACT_ERRNO'])
  assert.deepEqual(actions(DEFAULT_CAPABILITIES, 'chroot'), ['SCMP_ACT_ALLOW'])
})

test('a new namespace by clone is refused with EPERM, flag by flag', () => {
  const rules = (resolveSeccomp(DEFAULT_SECCOMP_PROFILE, DEFAULT_CAPABILITIES, 'amd64').syscalls ?? []).filter(rule => (rule['names'] as string[]).includes('clone'))
  const [allowed, ...refused] = rules
  const flags = refused.map(rule => (rule['args'] as { value: number }[])[0]?.value ?? 0)
  assert.equal((allowed?.['args'] as { value: number }[])[0]?.value, flags.reduce((sum, flag) => sum + flag, 0))
  assert.deepEqual(new Set(refused.map(rule => rule['errnoRet'])), new Set([1]))
})

test('no call is both allowed and refused without conditions', () => {
  for (const capabilities of [[], DEFAULT_CAPABILITIES, CAPABILITIES]) {
    const plain = (resolveSeccomp(DEFAULT_SECCOMP_PROFILE, capabilities, 'amd64').syscalls ?? []).filter(rule => rule['args'] === undefined)
    const allowed = new Set(plain.filter(rule => rule['action'] === 'SCMP_ACT_ALLOW').flatMap(rule => rule['names'] as string[]))
    const refused = plain.filter(rule => rule['action'] !== 'SCMP_ACT_ALLOW').flatMap(rule => rule['names'] as string[])
    assert.deepEqual(refused.filter(name => allowed.has(name)), [])
  }
})

test("a profile in Docker's format is resolved by capabilities and architecture", () => {
  const text = JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO', archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    syscalls: [{ names: ['a'], action: 'SCMP_ACT_ALLOW' }, { names: ['b'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } }, { names: ['c'], action: 'SCMP_ACT_ALLOW', excludes: { arches: ['amd64'] } }],
  })
  const resolved = resolveCustomSeccomp(text, [], 'amd64')
  assert.deepEqual(resolved.syscalls?.map(rule => rule['names']), [['a']])
  assert.deepEqual(resolved.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'])
})

const FILES = { passwd: 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/srv:/bin/sh\n', group: 'root:x:0:\nstaff:x:50:web,root\n' }

test('a user is looked up by name, number and group', () => {
  assert.deepEqual(lookUpUser('', [], FILES), { uid: 0, gid: 0, additionalGids: [0, 50], home: '/root' })
  assert.deepEqual(lookUpUser('web', [], FILES), { uid: 1000, gid: 1001, additionalGids: [1001, 50], home: '/srv' })
  assert.deepEqual(lookUpUser('1000:staff', ['7'], FILES), { uid: 1000, gid: 50, additionalGids: [50, 7], home: '/srv' })
  assert.deepEqual(lookUpUser('4242', [], FILES), { uid: 4242, gid: 0, additionalGids: [0], home: '/' })
  assert.throws(() => lookUpUser('nobody', [], FILES), { code: 'unknown-user' })
  assert.throws(() => lookUpUser('4294967296', [], FILES), { message: 'uids and gids must be in range 0-2147483647' })
  assert.deepEqual(lookUpUser(':5', [], FILES).gid, 5)
})

test('detach keys are found across writes, and what only begins like them passes', () => {
  const scanner = new DetachScanner(parseDetachKeys('ctrl-p,ctrl-q') ?? [])
  assert.deepEqual(scanner.push(Buffer.from('a\x10')), { bytes: Buffer.from('a'), detached: false })
  assert.deepEqual(scanner.push(Buffer.from('b')), { bytes: Buffer.from('\x10b'), detached: false })
  assert.deepEqual(scanner.push(Buffer.from('\x10\x11')), { bytes: Buffer.from(''), detached: true })
  assert.equal(parseDetachKeys('ctrl-'), undefined)
})

test('a missing command is told in the words that the stock CLI looks for', () => {
  const log = '{"msg":"executable file `nosuch` not found in $PATH: No such file or directory","level":"error","time":"x"}\n'
  const { error, exitCode } = runtimeFailure(log, 'nosuch')
  assert.equal(exitCode, 127)
  assert.match(error.message, /exec: "nosuch": executable file not found in \$PATH/)
  assert.equal(runtimeFailure('{"msg":"open executable: Permission denied","level":"error"}', '/etc').exitCode, 126)
  assert.equal(runtimeFailure('{"msg":"open executable: Operation not permitted","level":"error"}', '/etc').exitCode, 126)
  assert.equal(runtimeFailure('no reason that we know', 'x').exitCode, 128)
  assert.equal(runtimeFailure('executable file `nosuch` not found in $PATH: No such file or directory\n', 'nosuch').exitCode, 127)
  assert.match(runtimeFailure('mount `/a` to `etc`: Not a directory', 'x').error.message, /mount \/a:\/etc .*Are you trying to mount a directory onto a file/)
  assert.equal(runtimeFailure('open /proc/sys/net/nosuch: No such file or directory', 'x').exitCode, 127)
  assert.match(runtimeFailure(log, 'nosuch', 'exec').error.message, /^OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch"/)
})

test('a stream whose process never came tells why and ends', async () => {
  const stream = new AttachStream({ stdin: false, stdout: true, stderr: true, tty: false, endClosesStdin: false, detachKeys: [] })
  stream.endWith('no such command')
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  assert.deepEqual([...new FrameParser().push(Buffer.concat(chunks))].map(frame => [frame.type, frame.body.toString()]), [[1, 'no such command\r\n']])
})
