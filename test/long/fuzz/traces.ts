import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What a daemon holds of the machine: what may not grow under any number of requests. */
export interface Traces { readonly descriptors: readonly string[]; readonly mounts: number; readonly cgroups: number; readonly monitors: number; readonly residentMiB: number }

export function tracesOf(daemonPid: number, labName: string): Traces {
  const cgroups = readFileSync('/proc/self/mounts', 'utf8').split('\n').flatMap(line => / cgroup2? /.test(line) ? [line.split(' ')[1] ?? ''] : [])
  return {
    descriptors: readdirSync(`/proc/${daemonPid}/fd`).map(name => linkOf(`/proc/${daemonPid}/fd/${name}`)).sort(),
    mounts: readFileSync(`/proc/${daemonPid}/mounts`, 'utf8').split('\n').length,
    cgroups: cgroups.reduce((sum, mount) => sum + leaves(`${mount}/${labName}-lab/h1`), 0),
    monitors: readdirSync('/proc').filter(name => /^\d+$/.test(name) && commandOf(name).includes(`/var/lib/${labName}-lab/`) && commandOf(name).includes('monitor')).length,
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemonPid}/status`, 'utf8'))?.[1] ?? 0) / 1_024,
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path).replace(/\d+/g, 'N')
  } catch {
    return '(gone)'
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function leaves(folder: string): number {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).length
  } catch {
    return 0
  }
}
