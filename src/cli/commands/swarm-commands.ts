import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import type { Node } from '../../api/engine/swarm-json.ts'
import type { Swarm } from '../../api/engine/swarm-json.ts'
import { print, type CliContext } from '../cli-context.ts'
import { collect } from './collect.ts'
import { addSwarmLockCommands, printUnlockKey } from './swarm-lock-commands.ts'

interface SystemInfo { readonly Swarm?: { readonly NodeID?: string; readonly ControlAvailable?: boolean } }

/** `shoal swarm init|join|join-token|leave|unlock|unlock-key|update` */
export function addSwarmCommands(program: Command, context: CliContext): void {
  const swarm = program.command('swarm').description('Manage the cluster')

  swarm.command('init').description('Start a cluster on this host')
    .option('--advertise-addr <address>', 'address other hosts reach this one at: ip[:port] or interface')
    .option('--listen-addr <address>', 'where the manager listens', '0.0.0.0:2377')
    .option('--data-path-addr <address>', 'address for traffic between containers')
    .option('--data-path-port <port>', 'UDP port of traffic between containers')
    .option('--default-addr-pool <cidr>', 'addresses of overlay networks', collect)
    .option('--default-addr-pool-mask-length <bits>', 'size of one network')
    .option('--task-history-limit <count>', 'tasks kept per slot')
    .option('--dispatcher-heartbeat <duration>', 'heartbeat period of nodes')
    .option('--availability <state>', 'active, pause or drain', 'active')
    .option('--autolock', 'managers need an unlock key when they start again')
    .option('--force-new-cluster', 'start anew from this manager\'s state')
    .action(async (options: Record<string, string | boolean | readonly string[] | undefined>) => {
      const nodeId = await context.api().post<string>('/swarm/init', {
        ListenAddr: options['listenAddr'], AdvertiseAddr: options['advertiseAddr'] ?? '', DataPathAddr: options['dataPathAddr'] ?? '',
        DataPathPort: Number(options['dataPathPort'] ?? 0), DefaultAddrPool: options['defaultAddrPool'] ?? null, SubnetSize: Number(options['defaultAddrPoolMaskLength'] ?? 0),
        ForceNewCluster: options['forceNewCluster'] === true, Availability: options['availability'], Spec: {}, AutoLockManagers: options['autolock'] === true,
      })
      print(context, `Swarm initialized: current node (${nodeId}) is now a manager.\n\nTo add a worker to this swarm, run the following command:\n`)
      print(context, `    ${await joinCommand(context, nodeId, 'Worker')}\n\nTo add a manager to this swarm, run 'shoal swarm join-token manager' and follow the instructions.`)
      if (options['autolock'] === true) await printUnlockKey(context, false)
    })

  swarm.command('join').description('Join this host to a cluster').argument('<host:port>', 'address of a manager')
    .requiredOption('--token <token>', 'join token')
    .option('--advertise-addr <address>', 'address other hosts reach this one at')
    .option('--listen-addr <address>', 'where a manager listens', '0.0.0.0:2377')
    .option('--data-path-addr <address>', 'address for traffic between containers')
    .option('--availability <state>', 'active, pause or drain', 'active')
    .action(async (remote: string, options: Record<string, string | undefined>) => {
      await context.api().post('/swarm/join', {
        RemoteAddrs: [remote.includes(':') ? remote : `${remote}:2377`], JoinToken: options['token'], ListenAddr: options['listenAddr'], AdvertiseAddr: options['advertiseAddr'] ?? '',
        DataPathAddr: options['dataPathAddr'] ?? '', Availability: options['availability'],
      })
      const info = await context.api().get<SystemInfo>('/info')
      print(context, `This node joined a swarm as a ${info.Swarm?.ControlAvailable === true ? 'manager' : 'worker'}.`)
    })

  swarm.command('join-token').description('Show the command that joins another host').argument('<worker|manager>')
    .option('-q, --quiet', 'only the token').option('--rotate', 'make a new token; the old one stops working')
    .action(async (role: string, options: { quiet?: boolean; rotate?: boolean }) => {
      if (role !== 'worker' && role !== 'manager') throw new ShoalError('invalid-argument', 'bad-flag', `unknown role ${role}: worker or manager`)
      const name = role === 'worker' ? 'Worker' : 'Manager'
      if (options.rotate === true) await rotate(context, name)
      const swarmObject = await context.api().get<Swarm & { JoinTokens?: Record<string, string> }>('/swarm')
      if (options.quiet === true) return print(context, swarmObject.JoinTokens?.[name] ?? '')
      if (options.rotate === true) print(context, `Successfully rotated ${role} join token.\n`)
      const info = await context.api().get<SystemInfo>('/info')
      print(context, `To add a ${role} to this swarm, run the following command:\n\n    ${await joinCommand(context, info.Swarm?.NodeID ?? '', name)}\n`)
    })

  swarm.command('leave').description('Take this host out of its cluster').option('-f, --force', 'even if it is a manager')
    .action(async (options: { force?: boolean }) => {
      await context.api().post('/swarm/leave', undefined, { force: options.force === true })
      print(context, 'Node left the swarm.')
    })

  addSwarmLockCommands(swarm, context)
}

async function rotate(context: CliContext, name: 'Worker' | 'Manager'): Promise<void> {
  const swarm = await context.api().get<{ Version?: { Index?: number }; Spec?: unknown }>('/swarm')
  await context.api().post('/swarm/update', swarm.Spec, { version: swarm.Version?.Index ?? 0, [`rotate${name}Token`]: true })
}

async function joinCommand(context: CliContext, nodeId: string, role: 'Worker' | 'Manager'): Promise<string> {
  const [swarm, node] = await Promise.all([
    context.api().get<{ JoinTokens?: Record<string, string> }>('/swarm'), context.api().get<Node>(`/nodes/${nodeId}`),
  ])
  return `shoal swarm join --token ${swarm.JoinTokens?.[role] ?? ''} ${node.ManagerStatus?.Addr ?? ''}`
}
