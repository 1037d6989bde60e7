import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, type Lab } from '../support/lab.ts'
import { Api } from './api.ts'

export interface Floor { readonly run: number; readonly exec: number }

/** Length of a container's id in the engine's run-time folder. */
const ID_LENGTH = 24

/** crun alone on host 1, with a bundle that the engine made there and the same root file system without an overlay. */
export async function measureFloor(lab: Lab, rounds: number): Promise<Floor> {
  const api = new Api(lab.socket(1))
  const start = async (): Promise<string> => {
    const { Id } = await api.post<{ Id: string }>('/containers/create', { Image: 'busybox:latest', Cmd: ['sleep', '3600'] })
    await api.post(`/containers/${Id}/start`)
    return Id
  }
  // The first start of a daemon compiles the filter, the second has it in its bundle.
  await api.delete(`/containers/${await start()}?force=1`)
  const Id = await start()
  const folder = join(lab.folder, 'h1', 'floor')
  mkdirSync(join(folder, 'rootfs'), { recursive: true })
  const spec = JSON.parse(readFileSync(join(lab.folder, 'h1/exec/c', Id.slice(0, ID_LENGTH), 'config.json'), 'utf8')) as { root: { path: string }; mounts: { type: string }[]; linux: { cgroupsPath: string } }
  const pid = (await api.get<{ State: { Pid: number } }>(`/containers/${Id}/json`)).State.Pid
  cpSync(`/proc/${pid}/root/bin`, join(folder, 'rootfs/bin'), { recursive: true, verbatimSymlinks: true })
  await api.delete(`/containers/${Id}?force=1`)
  api.close()
  writeFileSync(join(folder, 'config.json'), JSON.stringify({
    ...spec, root: { ...spec.root, path: join(folder, 'rootfs') }, mounts: spec.mounts.filter(mount => mount.type !== 'bind'), linux: { ...spec.linux, cgroupsPath: `/${lab.name}-lab/h1/floor` },
  }))
  const { status, stdout, stderr } = await run('bash', [lab.script, 'exec', '1', process.execPath, join(import.meta.dirname, 'runtime-floor.js'), join(folder, 'state'), folder, String(rounds)], { env: { LAB: lab.name } })
  if (status !== 0) throw new Error(`crun alone: ${stderr}`)
  return JSON.parse(stdout) as Floor
}
