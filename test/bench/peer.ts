import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, run, type Lab } from '../support/lab.ts'

const DOCKERD = '/usr/sbin/dockerd'
const START_TIMEOUT_MS = 60_000

export interface Peer { readonly socket: string; readonly processes: RegExp }

/** A real dockerd on a host of the lab, with folders and cgroups of its own; undefined where none is installed. The lab's end is its end. */
export async function startPeer(lab: Lab, host: number): Promise<Peer | undefined> {
  if (!existsSync(DOCKERD)) return undefined
  const folder = join(lab.folder, `h${host}`, 'dockerd')
  mkdirSync(folder, { recursive: true })
  const socket = join(folder, 'docker.sock')
  const log = openSync(join(folder, 'log'), 'a')
  const child = spawn('bash', [lab.script, 'exec', String(host), DOCKERD, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'),
    '--pidfile', join(folder, 'pid'), '--cgroup-parent', `/${lab.name}-lab/h${host}`, '-H', `unix://${socket}`], { env: { ...process.env, LAB: lab.name }, stdio: ['ignore', log, log], detached: true })
  child.unref()
  closeSync(log)
  await eventually('dockerd answers', START_TIMEOUT_MS, async () => {
    if (child.exitCode !== null) throw new Error(`dockerd ended: ${readFileSync(join(folder, 'log'), 'utf8').slice(-500)}`)
    return (await run('curl', ['-sf', '--unix-socket', socket, 'http://localhost/_ping'])).status === 0 ? true : undefined
  })
  const tar = join(lab.folder, 'peer-busybox.tar')
  for (const [program, args] of [['bash', ['deploy/examples/image.sh', tar]], ['docker', ['-H', `unix://${socket}`, 'import', '-c', 'CMD ["sh"]', tar, 'busybox:latest']]] as const) {
    const { status, stderr } = await run(program, args)
    if (status !== 0) throw new Error(`${program}: ${stderr}`)
  }
  return { socket, processes: new RegExp(folder) }
}
