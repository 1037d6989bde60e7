/** Containers of Debian's dockerd and of Shoal with the same flags, compared from inside: rights, system calls, mounts, devices, what can be written. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Lab } from '../support/lab.ts'
import { Peer } from '../support/peer.ts'
import { buildProbe, LOOK, parseView, type View } from './security/container-view.ts'
import { ALLOWED, allowedBy, type Allowed } from './security/differences.ts'

let lab: Lab
let peer: Peer
let probe: string
before(async () => {
  probe = buildProbe()
  writeFileSync(join(probe, 'profile.json'), JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 77 }] }))
  ;[lab, peer] = await Promise.all([Lab.up('shoallongsec', 1), Peer.up('shoallongsecp')])
})
after(async () => {
  await Promise.all([lab?.[Symbol.asyncDispose](), peer?.[Symbol.asyncDispose]()])
  if (probe !== undefined) rmSync(probe, { recursive: true, force: true })
})

function command(flags: string): readonly string[] {
  const words = flags === '' ? [] : flags.replace('PROFILE', join(probe, 'profile.json')).split(' ')
  return ['run', '--rm', ...(flags.includes('--network') ? [] : ['--network', 'none']), '-v', `${probe}:/probe:ro`, ...words, 'busybox', 'sh', '-c', LOOK]
}

const used = new Set<Allowed>()

/** What differs and is not in the table. */
function compare(ours: View, theirs: View, flags: string): readonly string[] {
  return [...new Set([...ours.keys(), ...theirs.keys()])].sort().flatMap(key => {
    const [our, their] = [ours.get(key) ?? 'absent', theirs.get(key) ?? 'absent']
    if (our === their) return []
    const row = allowedBy(key, { ours: our, theirs: their, flags })
    if (row !== undefined) used.add(row)
    return row === undefined ? [`${key}: shoal ${our}, dockerd ${their}`] : []
  })
}

for (const flags of [
  '', '--user 1000:1000', '--cap-drop ALL', '--cap-add SYS_ADMIN', '--cap-add SYS_PTRACE --cap-add SYS_TIME --cap-add SYS_NICE --cap-add SYSLOG', '--cap-add SYS_MODULE --cap-add SYS_RAWIO --cap-add DAC_READ_SEARCH --cap-add SYS_BOOT',
  '--security-opt seccomp=unconfined', '--security-opt seccomp=PROFILE', '--security-opt no-new-privileges', '--security-opt systempaths=unconfined', '--read-only --tmpfs /run', '--network host --pid host --ipc host --uts host',
  '--device /dev/kmsg:/dev/kmsg:r --device-cgroup-rule b_7:0_r', '--cgroupns private --init -t',
]) {
  test(`from inside: docker run ${flags}`, async () => {
    const args = command(flags).map(word => word.replace(/^b_7:0_r$/, 'b 7:0 r'))
    const [theirs, ours] = await Promise.all([peer.docker(args), lab.docker(1, ...args)])
    assert.deepEqual(compare(parseView(ours.stdout.replaceAll('\r', '')), parseView(theirs.stdout.replaceAll('\r', '')), flags), [], ours.stderr + theirs.stderr)
  })
}

test('every listed difference still is one', () => { assert.deepEqual(ALLOWED.filter(row => !used.has(row)).map(row => String(row.key)), []) })

test('from inside: docker run --privileged has all that the machine has, and nothing hidden', async () => {
  const { stdout } = await lab.docker(1, ...command('--privileged'))
  const view = parseView(stdout)
  const { stdout: host } = await lab.lab('exec', '1', 'grep', 'CapBnd', '/proc/self/status')
  assert.equal(view.get('status CapEff'), host.split(':')[1]?.trim())
  assert.deepEqual([view.get('status Seccomp'), view.get('status NoNewPrivs'), view.get('device a *:* rwm')], ['0', '0', 'allowed'])
  assert.deepEqual(['/proc/sys', '/proc/keys', '/sys/firmware'].filter(path => view.has(`mount ${path}`)), [])
  assert.match(view.get('path /proc/sys/kernel/core_pattern') ?? '', /write:ok/)
  assert.match(view.get('mount /sys') ?? '', /^sysfs rw/)
})
