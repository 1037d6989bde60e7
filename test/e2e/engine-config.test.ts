/** Fields of a container's configuration, seen from inside a container that has them, with every runtime of this machine. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { CreateContainerRequest } from '../../agent/engine/engine.ts'
import type { LocalEngine } from '../../agent/engine/local-engine.ts'
import { canRunContainers, createEngineFixture, logsOf, request, run, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
const RUNTIMES = ['crun', 'runc'].filter(name => existsSync(`/usr/bin/${name}`) || existsSync(`/usr/sbin/${name}`))
const MEGABYTE = 1 << 20
let fixture: EngineFixture
let engine: LocalEngine
let folder: string

before(async () => {
  if (skip !== false) return
  fixture = await createEngineFixture()
  engine = fixture.engine
  folder = mkdtempSync('/tmp/shoal-config-')
  mkdirSync(join(folder, 'cdi'))
  writeFileSync(join(folder, 'file'), 'host\n')
})
after(async () => {
  if (skip !== false) return
  await fixture[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function outcome(create: CreateContainerRequest): Promise<{ readonly code: number; readonly text: string }> {
  const { id, exit } = await run(engine, create)
  const code = await exit
  const text = await logsOf(engine, id)
  await engine.containers.remove(id, { volumes: true })
  return { code, text }
}

interface Look {
  readonly what: string
  readonly config?: CreateContainerRequest['config']
  readonly host?: CreateContainerRequest['hostConfig']
  readonly script: string
  readonly sees: RegExp
  /** Its files are those of cgroup version 1. */
  readonly isVersion1?: boolean
}

const cgroup = (file: string): string => `cat /sys/fs/cgroup/${file}`

const LOOKS: readonly Look[] = [
  { what: 'names', config: { Hostname: 'here', Domainname: 'example.org' }, script: 'hostname; cat /proc/sys/kernel/domainname', sees: /^here\nexample\.org\n$/ },
  { what: 'the host\'s names', host: { UTSMode: 'host' }, script: 'hostname', sees: /^\S+\n$/ },
  { what: 'user and groups', config: { User: ':5' }, host: { GroupAdd: ['77', 'logs'] }, script: 'id', sees: /uid=0\(root\) gid=5 groups=4\(logs\),5,77|uid=0\(root\) gid=5 groups=5,77,4\(logs\)|uid=0.*gid=5/ },
  { what: 'an entrypoint that is reset', config: { Entrypoint: [''], Cmd: ['echo', 'plain'] }, script: '', sees: /^plain\n$/ },
  { what: 'memory limits', isVersion1: true, host: { Memory: 32 * MEGABYTE, MemorySwap: 64 * MEGABYTE, MemoryReservation: 16 * MEGABYTE, MemorySwappiness: 7, OomKillDisable: true },
    script: `${cgroup('memory/memory.limit_in_bytes')}; ${cgroup('memory/memory.memsw.limit_in_bytes')}; ${cgroup('memory/memory.soft_limit_in_bytes')}; ${cgroup('memory/memory.swappiness')}; ${cgroup('memory/memory.oom_control')}`,
    sees: /^33554432\n67108864\n16777216\n7\noom_kill_disable 1/ },
  { what: 'processor limits', isVersion1: true, host: { CpuShares: 300, CpuPeriod: 50_000, CpuQuota: 25_000, CpusetCpus: '0', CpusetMems: '0', PidsLimit: 40 },
    script: `${cgroup('cpu/cpu.shares')}; ${cgroup('cpu/cpu.cfs_period_us')}; ${cgroup('cpu/cpu.cfs_quota_us')}; ${cgroup('cpuset/cpuset.cpus')}; ${cgroup('cpuset/cpuset.mems')}; ${cgroup('pids/pids.max')}`,
    sees: /^300\n50000\n25000\n0\n0\n40\n$/ },
  { what: 'processor time', isVersion1: true, host: { NanoCpus: 5e8 }, script: cgroup('cpu/cpu.cfs_quota_us'), sees: /^50000\n$/ },
  { what: 'device rules and nodes', isVersion1: true, host: { Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/nil', CgroupPermissions: 'r' }], DeviceCgroupRules: ['c 42:* rw'] },
    script: `ls /dev/nil; ${cgroup('devices/devices.list')}`, sees: /^\/dev\/nil\n[\s\S]*c 42:\* rw\n/ },
  { what: 'limits and score', host: { Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }, { Name: 'core', Soft: 0, Hard: -1 }], OomScoreAdj: 400 }, script: 'ulimit -n; ulimit -Hn; ulimit -Hc; cat /proc/self/oom_score_adj', sees: /^100\n200\nunlimited\n400\n$/ },
  { what: 'kernel settings', host: { Sysctls: { 'kernel.shmmax': '123456' } }, script: 'cat /proc/sys/kernel/shmmax', sees: /^123456\n$/ },
  { what: 'shared memory of a size', host: { ShmSize: 3 * MEGABYTE }, script: 'grep " /dev/shm " /proc/mounts', sees: /nosuid,nodev,noexec,.*size=3072k/ },
  { what: 'no shared memory', host: { IpcMode: 'none' }, script: 'ls -d /dev/shm || echo none', sees: /none\n/ },
  { what: 'tmpfs options', host: { Tmpfs: { '/t': 'size=1m,mode=1700,exec' } }, script: 'grep " /t " /proc/mounts', sees: /rw,nosuid,nodev,relatime.*size=1024k,mode=1700/ },
  { what: 'a read-only root', host: { ReadonlyRootfs: true, Tmpfs: { '/t': '' } }, script: 'touch /t/a && echo written; touch /a || echo refused', sees: /written\n[\s\S]*refused\n|refused\n[\s\S]*written/ },
  { what: 'an image of another container', host: { Mounts: [{ Type: 'image', Source: 'busybox', Target: '/image', ImageOptions: { Subpath: 'etc' } }] }, script: 'ls /image; touch /image/x || echo refused', sees: /passwd[\s\S]*refused|refused[\s\S]*passwd/ },
  { what: 'capabilities', host: { CapDrop: ['ALL'], CapAdd: ['chown'] }, script: 'grep CapEff /proc/self/status', sees: /0{15}1\n$/ },
  { what: 'no new privileges and no filter', host: { SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'] }, script: 'grep -E "NoNewPrivs|Seccomp:" /proc/self/status', sees: /NoNewPrivs:\t1\nSeccomp:\t0\n/ },
  { what: 'writable cgroups', isVersion1: true, host: { SecurityOpt: ['writable-cgroups=true'] }, script: 'mkdir /sys/fs/cgroup/pids/mine && echo made; [ -d /sys/fs/cgroup/pids/mine ] && echo there', sees: /made\nthere/ },
  { what: 'paths that are not hidden', host: { MaskedPaths: [], ReadonlyPaths: [] }, script: 'grep -c " /proc/" /proc/mounts || true', sees: /^0\n$/ },
  { what: 'a cgroup namespace', host: { CgroupnsMode: 'private' }, script: 'grep -cE ":/$" /proc/self/cgroup', sees: /^[1-9]/ },
  { what: 'an init', host: { Init: true }, script: 'cat /proc/1/comm', sees: /^docker-init\n$/ },
]

for (const runtime of RUNTIMES) {
  for (const { what, config, host, script, sees, isVersion1 } of LOOKS) {
    test(`${runtime}: ${what}`, { skip }, async t => {
      if (isVersion1 === true && fixture.options.kernel.cgroups.version !== 1) { t.skip('looks into cgroup version 1'); return }
      const { text } = await outcome(request(['sh', '-c', script], { config, hostConfig: { NetworkMode: 'none', Runtime: runtime, ...host } }))
      assert.match(text, sees)
    })
  }

  test(`${runtime}: memory is shared by who offers and who joins, and nobody else`, { skip }, async () => {
    const donor = await run(engine, request(['sh', '-c', 'echo from donor >/dev/shm/word; sleep 100'], { hostConfig: { NetworkMode: 'none', IpcMode: 'shareable', Runtime: runtime } }))
    const closed = await run(engine, request(['sleep', '100'], { hostConfig: { NetworkMode: 'none', IpcMode: 'private', Runtime: runtime } }))
    const { text } = await outcome(request(['sh', '-c', 'until [ -s /dev/shm/word ]; do :; done; cat /dev/shm/word'], { hostConfig: { NetworkMode: 'none', IpcMode: `container:${donor.id}`, Runtime: runtime } }))
    assert.equal(text, 'from donor\n')
    await assert.rejects(run(engine, request(['true'], { hostConfig: { NetworkMode: 'none', IpcMode: `container:${closed.id}`, Runtime: runtime } })), { code: 'not-shareable' })
    for (const { id } of [donor, closed]) await engine.containers.remove(id, { force: true })
    assert.deepEqual(fixture.options.kernel.mounts.under(join(fixture.root, 'data/containers')), [])
  })

  test(`${runtime}: a restrictive mount of the host stays so, and read-only reaches below`, { skip }, async () => {
    const { mounts } = fixture.options.kernel
    const [outer, inner] = [join(folder, `outer-${runtime}`), join(folder, `outer-${runtime}`, 'inner')]
    mkdirSync(outer)
    await mounts.mount('tmpfs', outer, 'tmpfs', 'nosuid,nodev,noexec')
    mkdirSync(inner)
    await mounts.mount('tmpfs', inner, 'tmpfs', '')
    try {
      const bind = (more: object): CreateContainerRequest['hostConfig'] => ({ NetworkMode: 'none', Runtime: runtime, Mounts: [{ Type: 'bind', Source: outer, Target: '/b', ...more }] })
      assert.match((await outcome(request(['grep', ' /b ', '/proc/mounts'], { hostConfig: bind({}) }))).text, /rw,nosuid,nodev,noexec/)
      assert.match((await outcome(request(['sh', '-c', 'touch /b/inner/x || echo refused'], { hostConfig: bind({ ReadOnly: true }) }))).text, /refused/)
      assert.match((await outcome(request(['sh', '-c', 'touch /b/x || touch /b/inner/x && echo written'], { hostConfig: bind({ ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } }) }))).text, /written/)
    } finally {
      await mounts.unmount(inner)
      await mounts.unmount(outer)
    }
  })
}

test('a hostile image cannot lead mounts, devices or the working directory out of its root', { skip }, async () => {
  const { Id } = await engine.containers.create(request(['sh', '-c', 'rm -rf /tmp && ln -s /../../../../../../tmp /tmp; ln -s / /slash; ln -s loop /loop']))
  const { result } = await engine.containers.wait(Id, 'next-exit')
  await engine.containers.start(Id)
  await result
  await engine.images.commit({ container: Id, repository: 'hostile', tag: 'links', pause: false, changes: [] })
  await engine.containers.remove(Id)
  const name = `shoal-escape-${process.pid}`
  for (const more of [
    { config: { WorkingDir: `/tmp/${name}` } }, { hostConfig: { Tmpfs: { [`/tmp/${name}`]: '' } } }, { hostConfig: { Binds: [`${join(folder, 'file')}:/slash/tmp/${name}`] } },
    { hostConfig: { Devices: [{ PathOnHost: '/dev/null', PathInContainer: `/tmp/${name}`, CgroupPermissions: 'r' }] } }, { hostConfig: { Binds: [`made:/tmp/${name}`] } },
  ]) {
    await outcome(request(['true'], { config: { Image: 'hostile:links', ...more.config }, hostConfig: { NetworkMode: 'none', ...more.hostConfig } })).catch(() => undefined)
    assert.equal(existsSync(join('/tmp', name)), false, JSON.stringify(more))
  }
  await assert.rejects(outcome(request(['true'], { config: { Image: 'hostile:links', WorkingDir: '/loop/x' } })), { kind: 'invalid-argument' })
  for (const { Id: id } of await engine.containers.list({ all: true })) await engine.containers.remove(id ?? '', { force: true, volumes: true })
})
