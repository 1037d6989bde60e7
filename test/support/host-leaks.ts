import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { EngineClient } from './engine-client.ts'
import { run, type Lab } from './lab.ts'

interface ContainerJson {
  readonly Id: string
  readonly State: { readonly Status: string; readonly Running: boolean; readonly Pid: number }
  readonly HostConfig: { readonly NetworkMode: string }
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>>; readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>> }
  readonly ExecIDs: readonly string[] | null
}
interface NetworkJson { readonly Id: string; readonly Driver: string; readonly Options: Readonly<Record<string, string>> | null }
interface ImageJson { readonly Id: string; readonly RootFS: { readonly Layers: readonly string[] } }

/** Everything of the engine's on a host of the lab, in files and in the kernel, that no object of the API accounts for; and what an object should have and has not. By name. */
export async function hostLeaks(lab: Lab, host: number, api: EngineClient): Promise<readonly string[]> {
  const folder = join(lab.folder, `h${host}`)
  const inside = async (...command: readonly string[]): Promise<string> => (await lab.lab('exec', String(host), ...command)).stdout
  const ids = (await api.get<readonly { readonly Id: string }[]>('/containers/json?all=1')).map(({ Id }) => Id)
  const containers = await Promise.all(ids.map(id => api.get<ContainerJson>(`/containers/${id}/json`)))
  const up = containers.filter(({ State }) => State.Running && State.Status !== 'restarting')
  const upIds = up.map(({ Id }) => Id)
  const owned = up.filter(({ HostConfig }) => HostConfig.NetworkMode !== 'host' && !HostConfig.NetworkMode.startsWith('container:'))
  const networks = await api.get<readonly NetworkJson[]>('/networks')
  const bridges = networks.filter(({ Driver }) => Driver === 'bridge').map(({ Id, Options }) => Options?.['com.docker.network.bridge.name'] ?? `br-${Id.slice(0, 12)}`)
  const volumes = (await api.get<{ readonly Volumes: readonly { readonly Name: string }[] | null }>('/volumes')).Volumes ?? []
  const imageIds = (await api.get<readonly { readonly Id: string }[]>('/images/json?all=1')).map(({ Id }) => Id)
  const images = await Promise.all(imageIds.map(id => api.get<ImageJson>(`/images/${id}/json`)))
  const layers = [...new Set(images.flatMap(({ RootFS }) => RootFS.Layers ?? []))].map(digest => digest.slice(7))
  const ports = up.flatMap(({ NetworkSettings }) => Object.values(NetworkSettings.Ports ?? {}).flatMap(bindings => bindings ?? []).map(({ HostPort }) => HostPort))
  const endpoints = owned.flatMap(({ NetworkSettings }) => Object.keys(NetworkSettings.Networks).filter(name => name !== 'none'))

  const names = (path: string): readonly string[] => (existsSync(join(folder, path)) ? readdirSync(join(folder, path)) : [])
  const mounts = (await inside('cat', '/proc/self/mounts')).split('\n').map(line => line.split(' ')[1] ?? '').filter(path => path.startsWith(`${folder}/`) && path !== join(folder, 'data') && path !== join(folder, 'exec'))
  const links = (await inside('ip', '-o', 'link')).split('\n').map(line => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '')
  const rules = await inside('nft', 'list', 'ruleset')
  const groups = [...new Set((await run('find', ['/sys/fs/cgroup', '-type', 'd', '-path', `*/${lab.name}-lab/h${host}/*`])).stdout.split('\n').filter(path => path !== ''))]
  const monitors = monitorFolders(join(folder, 'exec/c'))
  const runtime = existsSync(join(folder, 'exec/crun')) ? 'exec/crun' : 'exec/runc'
  const compare = (what: string, found: readonly string[], justified: readonly string[]): readonly string[] => [
    ...found.filter(name => !justified.includes(name)).map(name => `${what}: ${name}`), ...justified.filter(name => !found.includes(name)).map(name => `${what} missing: ${name}`),
  ]
  const short = upIds.map(id => id.slice(0, 24))
  return [
    ...compare('folder of a container', names('data/containers'), ids),
    ...compare('snapshot', names('data/snapshots'), ids),
    ...compare('volume', names('data/volumes'), volumes.map(({ Name }) => Name)),
    ...compare('configuration of an image', names('data/images/configs').filter(name => name.endsWith('.json')), imageIds.map(id => `${id.slice(7)}.json`)),
    ...compare('layer', names('data/layers').filter(name => /^[0-9a-f]{32}/.test(name)), layers.flatMap(layer => [layer.slice(0, 32), `${layer.slice(0, 32)}.json`])),
    ...compare('blob', names('data/layers/blobs'), layers),
    ...compare('temporary file', [...names('data/layers/tmp'), ...names('data/layers/downloads')], []),
    ...compare('of a build that ended', [...names('data/build/running'), ...names('data/build/secrets')], []),
    ...compare('record of a network', names('data/networks'), networks.filter(({ Driver }) => Driver !== 'overlay').map(({ Id }) => `${Id}.json`)),
    ...compare('run-time folder', names('exec/c'), short),
    ...compare('sandbox record', names('exec/sandboxes'), owned.map(({ Id }) => `${Id}.json`)),
    ...compare('network namespace', names('exec/netns'), owned.map(({ Id }) => Id)),
    ...compare('state of the runtime', names(runtime), upIds),
    ...compare('mount', mounts, [...upIds.map(id => join(folder, 'data/snapshots', id, 'merged')), ...owned.map(({ Id }) => join(folder, 'exec/netns', Id))]),
    ...groups.filter(path => !upIds.some(id => path.includes(`/${id}`))).map(path => `cgroup: ${path}`),
    ...compare('bridge', links.filter(name => /^(docker|br-)/.test(name)), bridges),
    ...compare('interfaces', [String(links.filter(name => name.startsWith('shv')).length)], [String(endpoints.length)]),
    ...compare('bridge in the rules', [...new Set(rules.match(/\b(docker[0-9_a-z]+|br-[0-9a-f]{12})\b/g) ?? [])], bridges),
    ...compare('port in the rules', (rules.match(/(?:tcp|udp) \. \d+ :/g) ?? []).map(text => /\d+/.exec(text)?.[0] ?? ''), ports),
    ...compare('monitor', monitors.map(path => path.split('/')[0] ?? '').filter((id, at, all) => all.indexOf(id) === at), short),
    ...execFolders(join(folder, 'exec/c')).filter(path => !monitors.includes(path)).map(path => `folder of an ended exec: ${path}`),
    ...halfWritten(folder).map(path => `half-written file: ${path}`),
  ]
}

/** Folders, below that of run-time folders, of the monitors that live. */
function monitorFolders(root: string): readonly string[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(pid => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const directory = basename(words[0] ?? '') === 'shoal-monitor' && words[1] === '-d' ? words[2] ?? '' : ''
      return directory.startsWith(`${root}/`) && !isDead(pid) ? [directory.slice(root.length + 1)] : []
    } catch {
      return [] // It ended meanwhile.
    }
  })
}

function isDead(pid: string): boolean { return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) }

function execFolders(root: string): readonly string[] {
  return (existsSync(root) ? readdirSync(root) : []).flatMap(id => readdirSync(join(root, id), { withFileTypes: true }).filter(entry => entry.isDirectory()).map(entry => `${id}/${entry.name}`))
}

/** `exit.new` is the room that a monitor keeps for the exit. */
function halfWritten(folder: string): readonly string[] {
  return ['data/images', 'data/containers', 'data/networks', 'data/volumes', 'data/layers', 'exec/sandboxes'].filter(name => existsSync(join(folder, name))).flatMap(name =>
    readdirSync(join(folder, name), { withFileTypes: true }).flatMap(entry => {
      if (entry.isFile()) return entry.name.endsWith('.new') ? [`${name}/${entry.name}`] : []
      if (name === 'data/layers') return []
      return readdirSync(join(folder, name, entry.name)).filter(file => file.endsWith('.new')).map(file => `${name}/${entry.name}/${file}`)
    }))
}
