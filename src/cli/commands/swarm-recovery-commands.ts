import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { StateSummary } from '../../api/swarm/state-summary.ts'
import { ShoalError } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { parseDurationNs } from '../output/human.ts'

const PASSPHRASE_VARIABLE = 'SHOAL_BACKUP_PASSPHRASE'
const PASSPHRASE_HELP = `file with the passphrase, - for standard input (default: $${PASSPHRASE_VARIABLE})`
/** Names that are listed before the rest is counted. */
const NAMES_MAX = 20

interface PassphraseOption { readonly passphraseFile?: string }
interface RestoreOptions extends PassphraseOption { readonly advertiseAddr?: string; readonly listenAddr: string; readonly dataPathAddr?: string; readonly workerGrace: string }

/** `shoal swarm backup|verify|restore` */
export function addSwarmRecoveryCommands(program: Command, context: CliContext): void {
  const swarm = program.commands.find(command => command.name() === 'swarm') ?? program.command('swarm')

  swarm.command('backup').description('Save the whole state of the cluster, with its secrets and its authority\'s key, into one sealed file').argument('<file>')
    .option('--passphrase-file <file>', PASSPHRASE_HELP)
    .action(async (file: string, options: PassphraseOption) => {
      const passphrase = await readPassphrase(context, options)
      const { writeDurably } = await import('../../platform/backup/write-durably.ts')
      const stream = await context.api().stream('POST', '/shoal/swarm/backup', { headers: passphraseHeader(passphrase), signal: context.signal })
      await writeDurably(file, stream, async path => { print(context, await describeBackup(path, passphrase)) })
    })

  swarm.command('verify').description('Open a backup, check every byte of it, and show what is in it').argument('<file>')
    .option('--passphrase-file <file>', PASSPHRASE_HELP)
    .action(async (file: string, options: PassphraseOption) => { print(context, await describeBackup(file, await readPassphrase(context, options))) })

  swarm.command('restore').description('Begin the cluster of a backup anew, with this host as its only manager').argument('<file>')
    .option('--passphrase-file <file>', PASSPHRASE_HELP)
    .option('--advertise-addr <address>', 'address other hosts reach this one at: ip[:port] or interface')
    .option('--listen-addr <address>', 'where the manager listens', '0.0.0.0:2377')
    .option('--data-path-addr <address>', 'address for traffic between containers')
    .option('--worker-grace <duration>', 'how long workers may take to find this manager before their tasks move', '10m')
    .action(async (file: string, options: RestoreOptions) => {
      const graceNs = parseDurationNs(options.workerGrace)
      if (graceNs === undefined) throw new ShoalError('invalid-argument', 'bad-flag', `--worker-grace: ${options.workerGrace} is no duration; give 10m or 90s`)
      const answer = await context.api().json<{ readonly NodeID: string; readonly Summary: StateSummary }>('POST', '/shoal/swarm/restore', {
        body: createReadStream(file), signal: context.signal, headers: { 'content-type': 'application/octet-stream', ...passphraseHeader(await readPassphrase(context, options)) },
        query: { listenAddr: options.listenAddr, advertiseAddr: options.advertiseAddr, dataPathAddr: options.dataPathAddr, workerGraceSeconds: Math.ceil(graceNs / 1e9) },
      })
      print(context, `${describeState(answer.Summary)}\n\nSwarm restored: current node (${answer.NodeID}) is now its only manager.\n`)
      print(context, `Workers find it by themselves where a manager's address is one they know. To any other, and within ${options.workerGrace} so that their tasks go on running, say where it is:\n`)
      print(context, `    ${await joinCommand(context, answer.NodeID)}\n\nHosts that were managers leave (docker swarm leave --force) and join again.`)
    })
}

async function joinCommand(context: CliContext, nodeId: string): Promise<string> {
  const [{ JoinTokens }, node] = await Promise.all([
    context.api().get<{ readonly JoinTokens?: Readonly<Record<string, string>> }>('/swarm'), context.api().get<{ readonly ManagerStatus?: { readonly Addr?: string } }>(`/nodes/${nodeId}`),
  ])
  return `docker swarm join --token ${JoinTokens?.['Worker'] ?? ''} ${node.ManagerStatus?.Addr ?? ''}`
}

/** Reads all of a backup: what it prints is true of the whole file. */
async function describeBackup(path: string, passphrase: string): Promise<string> {
  // Only here: opening takes libraries that no other command needs.
  const [{ openBackup }, { readLabel }, { readState }] = await Promise.all([
    import('../../platform/backup/open-backup.ts'), import('../../platform/backup/sealed-stream.ts'), import('../../api/swarm/state-summary.ts'),
  ])
  const { summary } = await readState(openBackup(createReadStream(path), passphrase))
  const label = await readLabel(createReadStream(path))
  return `Saved:    ${new Date(label.createdAtMs).toISOString()} by shoal ${label.productVersion}\n${describeState(summary)}`
}

function describeState({ clusterId, index, counts, managers, services, isAutolocked }: StateSummary): string {
  const names = services.length <= NAMES_MAX ? services.join(', ') : `${services.slice(0, NAMES_MAX).join(', ')} and ${services.length - NAMES_MAX} more`
  return [
    `Cluster:  ${clusterId}${isAutolocked ? ', autolocked' : ''}, state of index ${index}`,
    `Nodes:    ${counts.node}, of these managers: ${managers.join(', ')}`,
    `Services: ${counts.service}${names === '' ? '' : ` (${names})`}, with ${counts.task} tasks`,
    `Others:   ${counts.secret} secrets, ${counts.config} configs, ${counts.network} networks`,
  ].join('\n')
}

function passphraseHeader(passphrase: string): Readonly<Record<string, string>> { return { 'x-shoal-passphrase': Buffer.from(passphrase).toString('base64') } }

async function readPassphrase({ environment, stdin }: CliContext, { passphraseFile }: PassphraseOption): Promise<string> {
  if (passphraseFile === undefined) {
    const passphrase = environment[PASSPHRASE_VARIABLE] ?? ''
    if (passphrase === '') throw new ShoalError('invalid-argument', 'bad-usage', `give the passphrase of the backup: --passphrase-file, or ${PASSPHRASE_VARIABLE} in the environment`)
    return passphrase
  }
  if (passphraseFile !== '-') return withoutLineEnd(await readFile(passphraseFile, 'utf8'))
  let text = ''
  for await (const chunk of stdin) text += String(chunk)
  return withoutLineEnd(text)
}

function withoutLineEnd(text: string): string { return text.replace(/\r?\n$/, '') }
