import type { ExecConfig } from '../../src/api/engine/engine-calls.ts'
import { Duplex, PassThrough, Readable } from 'node:stream'
import { ShoalError } from '../../src/base/errors.ts'
import type { EventMessage, Network, Volume } from '../../src/api/engine/engine-json.ts'
import type { Backends } from '../../src/http/backends.ts'
import { frame, FakeContainers } from './fake-containers.ts'
import { FakeControl } from './fake-control.ts'

export interface FakeBackends extends Backends {
  readonly containers: FakeContainers
  readonly control: FakeControl
  readonly recentEvents: EventMessage[]
}

/** A whole API behind which nothing happens. */
export function fakeBackends(): FakeBackends {
  const control = new FakeControl()
  const recentEvents: EventMessage[] = []
  let nodeId = ''
  return {
    containers: new FakeContainers(), control, recentEvents, images: fakeImages(), networks: fakeNetworks(), volumes: fakeVolumes(),
    system: {
      info: async () => ({ ID: 'fake', Name: 'testhost', ServerVersion: '0.1.0', NCPU: 2, MemTotal: 1024 ** 3, KernelVersion: '6.1', OperatingSystem: 'Test Linux', Architecture: 'x86_64', SystemTime: '2026-01-01T00:00:00Z' }),
      version: async () => ({ Version: '0.1.0', Arch: 'amd64', KernelVersion: '6.1', GitCommit: 'abc', BuildTime: '2026-01-01T00:00:00.000000000+00:00' }),
      swarmInfo: async () => control.isManager
        ? { NodeID: nodeId, NodeAddr: '10.0.0.1', LocalNodeState: 'active', ControlAvailable: true, Nodes: 1, Managers: 1, RemoteManagers: [{ NodeID: nodeId, Addr: '10.0.0.1:2377' }], Cluster: { ID: 'c1' } }
        : { LocalNodeState: 'inactive' },
    },
    execs: fakeExecs(),
    builder: {
      build: () => { throw new ShoalError('not-implemented', 'not-supported', 'nothing is built here') },
      cancel: async () => {},
      prune: async () => ({ CachesDeleted: null, SpaceReclaimed: 0 }),
      usage: async () => [],
    },
    events: { recent: () => recentEvents, subscribe: idle },
    swarm: {
      init: async request => {
        nodeId = control.init(request.spec)
        return nodeId
      },
      join: async () => {},
      leave: async () => { control.isManager = false },
      unlock: async () => {},
      tlsInfo: async () => ({ trustRootPem: 'PEM', certIssuerSubject: new Uint8Array(), certIssuerPublicKey: new Uint8Array() }),
    },
  }
}

/** Every exec prints its command line to stdout, and its input after that. */
function fakeExecs(): Backends['execs'] {
  const configs: ExecConfig[] = []
  const find = (id: string): ExecConfig => {
    const config = configs[Number(id)]
    if (config === undefined) throw new ShoalError('not-found', 'no-such-exec', `No such exec instance: ${id}`)
    return config
  }
  return {
    create: async (_ref, config) => ({ Id: String(configs.push(config) - 1) }),
    start: async (id, { detach }) => {
      const { cmd, tty, attachStdin } = find(id)
      if (detach) return undefined
      const output = new PassThrough()
      const input = new PassThrough()
      const print = (text: string): void => { output.write(tty ? text : frame(1, text)) }
      print(`${cmd.join(' ')}\n`)
      if (!attachStdin) output.end()
      input.on('data', chunk => print(String(chunk)))
      input.on('end', () => output.end())
      return { tty, stream: Duplex.from({ readable: output, writable: input }) }
    },
    inspect: async id => ({ ID: id, Running: false, ExitCode: find(id).cmd[0] === 'false' ? 1 : 0, ContainerID: 'c', Pid: 1 }),
    resize: async id => { find(id) },
  }
}

async function* idle(signal: AbortSignal): AsyncIterable<EventMessage> {
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function fakeImages(): Backends['images'] {
  const missing = (ref: string): never => { throw new ShoalError('not-found', 'no-such-image', `No such image: ${ref}`) }
  return {
    inspect: async ref => ref.startsWith('busybox') ? { Id: `sha256:${'b'.repeat(64)}`, RepoTags: ['busybox:latest'], Architecture: 'amd64', Os: 'linux', Size: 1000, Config: {} } : missing(ref),
    list: async () => [{ Id: `sha256:${'b'.repeat(64)}`, RepoTags: ['busybox:latest'], Created: 1_767_225_600, Size: 1000, Containers: -1, SharedSize: -1, Labels: {} }],
    history: async () => [{ Id: '<missing>', Created: 1_767_225_600, CreatedBy: 'import', Size: 1000 }],
    import: async tar => {
      let sizeBytes = 0
      for await (const chunk of tar) sizeBytes += (chunk as Buffer).length
      return { id: `sha256:${String(sizeBytes)}` }
    },
    async *load(tar) {
      for await (const chunk of tar) void chunk
      yield { stream: 'Loaded image: busybox:latest\n' }
    },
    save: async refs => Readable.from([Buffer.from(refs.join(','))]),
    tag: async ref => { if (!ref.startsWith('busybox')) missing(ref) },
    remove: async ref => ref.startsWith('busybox') ? [{ Untagged: 'busybox:latest' }] : missing(ref),
    prune: async () => ({ ImagesDeleted: [], SpaceReclaimed: 0 }),
  }
}

function fakeNetworks(): Backends['networks'] {
  const networks: Network[] = ['bridge', 'host', 'none'].map((Name, index) => ({
    Name, Id: String(index).repeat(64), Scope: 'local', Driver: Name === 'none' ? 'null' : Name, Labels: {}, Containers: {}, Created: '2026-01-01T00:00:00Z', IPAM: { Driver: 'default', Config: [] },
  }))
  const find = (ref: string): Network => {
    const found = networks.find(({ Name, Id }) => Name === ref || Id?.startsWith(ref) === true)
    if (found === undefined) throw new ShoalError('not-found', 'no-such-network', `network ${ref} not found`)
    return found
  }
  return {
    create: async ({ Name, Driver = 'bridge', Labels }) => {
      networks.push({ Name, Id: String(networks.length).repeat(64), Scope: 'local', Driver, Labels: Labels ?? {}, Containers: {} })
      return { Id: find(Name ?? '').Id ?? '', Warning: '' }
    },
    inspect: async ref => find(ref), list: async () => networks,
    remove: async ref => { networks.splice(networks.indexOf(find(ref)), 1) },
    connect: async ref => { find(ref) }, disconnect: async ref => { find(ref) }, prune: async () => ({ NetworksDeleted: [] }),
  }
}

function fakeVolumes(): Backends['volumes'] {
  const volumes = new Map<string, Volume>()
  const find = (name: string): Volume => {
    const volume = volumes.get(name)
    if (volume === undefined) throw new ShoalError('not-found', 'no-such-volume', `get ${name}: no such volume`)
    return volume
  }
  return {
    create: async ({ Name = 'anonymous', Labels }) => {
      volumes.set(Name, { Name, Driver: 'local', Mountpoint: `/volumes/${Name}`, Scope: 'local', Labels: Labels ?? {}, CreatedAt: '2026-01-01T00:00:00Z' })
      return find(Name)
    },
    inspect: async name => find(name), list: async () => ({ Volumes: [...volumes.values()], Warnings: [] }),
    remove: async name => { volumes.delete(find(name).Name ?? '') }, prune: async () => ({ VolumesDeleted: [], SpaceReclaimed: 0 }),
  }
}
