import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { renderTable } from '../output/table.ts'

interface ContactJson { readonly Addr: string; readonly NodeID: string; readonly Error: string }

/** `shoal swarm announce` */
export function addSwarmAnnounceCommand(program: Command, context: CliContext): void {
  const swarm = program.commands.find(command => command.name() === 'swarm') ?? program.command('swarm')
  swarm.command('announce').description('Bring this host, or its managers, together again after addresses changed: say where managers are now, or where this host is')
    .argument('[host:port...]', 'new addresses of managers of the cluster; one that answers is enough, for it is told where this host is')
    .option('--advertise-addr <address>', 'address other hosts reach this one at from now on: ip[:port] or interface (default: followed by itself)')
    .action(async (remotes: readonly string[], { advertiseAddr }: { readonly advertiseAddr?: string }) => {
      if (remotes.length === 0 && advertiseAddr === undefined) throw new ShoalError('invalid-argument', 'bad-flag', 'give addresses of managers, or --advertise-addr, or both')
      const contacts = await context.api().post<readonly ContactJson[]>('/shoal/swarm/announce', undefined, { remoteAddrs: remotes.join(','), ...advertiseAddr === undefined ? {} : { advertiseAddr } })
      if (advertiseAddr !== undefined) print(context, `This host is at ${advertiseAddr} from now on.`)
      if (contacts.length === 0) return
      print(context, renderTable(['ADDRESS', 'MANAGER', 'ERROR'], contacts.map(({ Addr, NodeID, Error }) => [Addr, NodeID, Error])))
      if (contacts.some(({ Error }) => Error === '')) return
      throw new ShoalError('unavailable', 'bad-usage', 'no manager of this cluster answers there yet; the addresses are remembered and tried again while there is no leader')
    })
}
