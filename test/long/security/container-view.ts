import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a container is, seen from inside: "topic key" -> value. */
export type View = ReadonlyMap<string, string>

/** Two processes come back from the first ones; what the others say depends on what is there already. */
const UNTESTABLE: ReadonlySet<string> = new Set(['fork', 'vfork', 'msgget', 'semget', 'shmget'])

/** Compiles probe.c, with every system call that this machine's headers name, into a new folder. */
export function buildProbe(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-probe-'))
  const macros = execFileSync('gcc', ['-E', '-dM', '-include', 'asm/unistd.h', '-x', 'c', '/dev/null'], { encoding: 'utf8' })
  const calls = [...macros.matchAll(/^#define __NR_(\w+) (\d+)$/gm)].filter(([, name = '']) => !UNTESTABLE.has(name)).map(([, name, number]) => `{ "${name}", ${number} },`)
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'calls.h'), calls.join('\n'))
  writeFileSync(join(folder, 'probe.c'), readFileSync(join(process.cwd(), 'test/long/security/probe.c')))
  execFileSync('gcc', ['-O1', '-static', '-o', join(folder, 'probe'), join(folder, 'probe.c')])
  return folder
}

/** What is run in the container: standard busybox and the probe, its output in sections. */
export const LOOK = [
  'grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:|SigIgn|SigBlk)" /proc/self/status', 'echo ==', 'cat /proc/self/mountinfo', 'echo ==', 'ls -l /dev /dev/net 2>/dev/null', 'echo ==',
  'sort /sys/fs/cgroup/devices/devices.list', 'echo ==', 'for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done', 'echo ==', '/probe/probe',
].join('; ')

/** @throws when the container did not get to its end */
export function parseView(output: string): View {
  const [status = '', mounts = '', dev = '', devices = '', , probe = ''] = output.split('\n==\n')
  if (!probe.includes('call read ')) throw new Error(`the container did not tell of itself: ${output.slice(-500)}`)
  const view = new Map<string, string>()
  for (const line of status.trim().split('\n')) view.set(`status ${line.split(':')[0]}`, (line.split(':')[1] ?? '').trim().replace(/\s+/g, ' '))
  for (const line of mounts.trim().split('\n')) addMount(view, line)
  for (const line of dev.split('\n')) addNode(view, line)
  for (const line of devices.trim().split('\n')) view.set(`device ${line.trim()}`, 'allowed')
  for (const line of probe.trim().split('\n')) {
    const [topic = '', key = '', value = ''] = line.split(' ')
    view.set(`${topic} ${key}`, value)
  }
  return view
}

/** Where, with which restrictions, and what kind; the kind's own options are the runtime's business, but not whether it is read-only. */
function addMount(view: Map<string, string>, line: string): void {
  const fields = line.split(' ')
  const [type = ''] = fields.slice(fields.indexOf('-') + 1)
  const flags = (fields[5] ?? '').split(',').filter(flag => ['ro', 'rw', 'nosuid', 'nodev', 'noexec'].includes(flag)).join(',')
  const propagation = fields.slice(6, fields.indexOf('-')).map(mark => mark.replace(/:\d+/, '')).join(',')
  view.set(`mount ${fields[4]}`, [type, flags, ...(propagation === '' ? [] : [propagation])].join(' '))
}

function addNode(view: Map<string, string>, line: string): void {
  const fields = line.trim().split(/\s+/)
  if (!/^[cbdl-]/.test(fields[0] ?? '') || fields.length < 8) return
  const isNode = /^[cb]/.test(fields[0] ?? '')
  view.set(`dev ${fields.slice(isNode ? 9 : 8).join(' ')}`, [fields[0], fields[2], fields[3], ...(isNode ? [`${fields[4]}${fields[5]}`] : [])].join(' '))
}
