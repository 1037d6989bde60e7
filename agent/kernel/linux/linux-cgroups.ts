import { existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { CgroupController, KernelCgroups } from '../kernel.ts'

const ROOT = '/sys/fs/cgroup'
const CGROUP_MAGIC = 0x27e0eb
const CGROUP2_MAGIC = 0x63677270
const CONTROLLERS: readonly CgroupController[] = ['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'freezer', 'cpuset', 'devices']

/** cgroupfs, version 1 (one directory per controller) or 2 (one for all). */
export class LinuxCgroups implements KernelCgroups {
  readonly version: 1 | 2 = statfsSync(ROOT).type === CGROUP2_MAGIC ? 2 : 1
  readonly hybridMount: string | undefined = this.version === 1 && hasControllers(`${ROOT}/unified`) ? `${ROOT}/unified` : undefined

  readonly #hierarchies = hierarchies(this.version)
  readonly hasBlockWeight: boolean = this.version === 2 || existsSync(`${ROOT}/blkio/blkio.weight`)

  has(controller: CgroupController): boolean {
    if (this.version === 1) return existsSync(join(ROOT, controller))
    return (this.#readFile(join(ROOT, 'cgroup.controllers')) ?? '').split(/\s+/).includes(controller === 'blkio' ? 'io' : controller)
  }

  filePath(cgroup: string, controller: CgroupController, file: string): string { return join(this.#directory(cgroup, controller), file) }

  read(cgroup: string, controller: CgroupController, file: string): string | undefined { return this.#readFile(this.filePath(cgroup, controller, file)) }

  write(cgroup: string, controller: CgroupController, file: string, text: string): void {
    try {
      writeFileSync(this.filePath(cgroup, controller, file), text)
    } catch (error) {
      throw new ShoalError('internal', 'cgroup-write-failed', `cannot write ${text} to ${file} of cgroup ${cgroup}: ${messageOf(error)}`, { cause: error })
    }
  }

  pids(cgroup: string): readonly number[] {
    return (this.read(cgroup, 'pids', 'cgroup.procs') ?? '').split('\n').filter(line => line !== '').map(Number)
  }

  async remove(cgroup: string): Promise<boolean> {
    const { mounted, plain } = this.#hierarchies
    const removed = await Promise.all(mounted.map(root => removeTree(join(root, cgroup))))
    // Where a hierarchy is not mounted but its mount point stands, crun makes plain folders and files (D-255).
    await Promise.all(plain.map(root => rm(join(root, cgroup), { recursive: true, force: true })))
    return removed.every(done => done)
  }

  #directory(cgroup: string, controller: CgroupController): string {
    return this.version === 2 ? join(ROOT, cgroup) : join(ROOT, controller, cgroup)
  }

  #readFile(path: string): string | undefined {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  }
}

/** On a hybrid machine the runtime sees version 1 only, runc both. */
function hierarchies(version: 1 | 2): { readonly mounted: readonly string[]; readonly plain: readonly string[] } {
  if (version === 2) return { mounted: [ROOT], plain: [] }
  const known = [...CONTROLLERS, 'systemd', 'unified', 'net_cls', 'net_prio', 'perf_event', 'hugetlb', 'rdma', 'misc'].map(name => join(ROOT, name)).filter(existsSync)
  const isMounted = (root: string): boolean => [CGROUP_MAGIC, CGROUP2_MAGIC].includes(statfsSync(root).type)
  return { mounted: known.filter(isMounted), plain: known.filter(root => !isMounted(root)) }
}

function hasControllers(mount: string): boolean {
  try {
    return readFileSync(`${mount}/cgroup.controllers`, 'utf8').trim() !== ''
  } catch {
    return false
  }
}

/** rmdir from the leaves up (a container may have made cgroups of its own); false when one is busy. */
async function removeTree(directory: string): Promise<boolean> {
  if (await removeOne(directory)) return true
  const children = (await readdir(directory, { withFileTypes: true }).catch(() => [])).filter(entry => entry.isDirectory())
  for (const child of children) if (!await removeTree(join(directory, child.name))) return false
  return children.length > 0 && removeOne(directory)
}

async function removeOne(directory: string): Promise<boolean> {
  try {
    await rmdir(directory)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return true
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false
    throw error
  }
}
