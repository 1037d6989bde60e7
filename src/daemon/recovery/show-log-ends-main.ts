/** The program behind `shoal swarm recover --show FOLDER…`: what the raft logs of stopped managers end with, which is the newest, and what to run next. Changes nothing. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { messageOf, ShoalError } from '../../base/errors.ts'
import { renderTable } from '../../cli/output/table.ts'
import { newestOf, readFolderLogEnd, type FolderLogEnd } from './folder-log-end.ts'

const EXIT_USAGE = 125
const ID_LENGTH = 12

/** The answer as it is printed. @throws ShoalError `bad-usage` when the folders are not of one cluster */
function describe(folders: readonly FolderLogEnd[]): string {
  const rows = folders.map(({ folder, nodeId, address, end, error }) => [folder, nodeId.slice(0, ID_LENGTH), address, ...(end === undefined ? ['', '', ''] : [end.lastTerm, end.lastIndex, end.commit].map(String)), end === undefined ? firstSentence(error) : 'whole'])
  const table = renderTable(['FOLDER', 'NODE', 'ADDRESS', 'LAST TERM', 'LAST INDEX', 'COMMIT', 'LOG'], rows)
  const readable = folders.filter(({ end }) => end !== undefined)
  const clusters = new Set(readable.map(({ clusterId }) => clusterId))
  const forks = new Set(readable.map(({ end }) => end?.forkId))
  const newest = newestOf(folders)
  if (newest === undefined) return `${table}\n\nNone of these logs can be read. Restore the cluster from a backup:\n\n    shoal swarm restore FILE`
  if (clusters.size > 1) return `${table}\n\nThese folders are of ${clusters.size} clusters (${[...clusters].join(', ')}): compare those of one.`
  if (forks.size > 1) return `${table}\n\nThe cluster was started anew from one of these managers: their logs went different ways and can not be compared. The one that you forced then counts.`
  const members = newest.end?.members ?? 0
  return [
    table, '',
    `Of the ${readable.length} that can be read, the log of ${newest.nodeId.slice(0, ID_LENGTH)} (${newest.address}) is the newest. The cluster had ${members} manager${members === 1 ? '' : 's'} when that log was last shortened.`,
    'If more than half of the managers have whole logs, start their daemons: they elect a leader by themselves, and nothing is to be recovered.',
    'If not, and the others are lost for good, start the daemon of the newest, and on that host:', '', '    shoal swarm recover --yes', '',
    'What only the others had is lost then. Afterwards they leave (docker swarm leave --force) and join again.',
  ].join('\n')
}

function firstSentence(text: string): string { return /^[\s\S]*?[^.](?=\. |$)/.exec(text)?.[0] ?? text }

const program = new Command('shoal swarm recover').description('Show what the raft logs in folders end with, without any daemon').exitOverride()
  .requiredOption('--show <folder...>', 'data roots of managers that are stopped, or copies of them')
  .option('--unlock-key-file <file>', 'file with the cluster\'s unlock key, for managers with autolock')
  .allowExcessArguments(false)
  .action(async ({ show, unlockKeyFile }: { readonly show: readonly string[]; readonly unlockKeyFile?: string }) => {
    const unlockKey = unlockKeyFile === undefined ? '' : readFileSync(unlockKeyFile, 'utf8').trim()
    const folders = await Promise.all(show.map(folder => readFolderLogEnd(folder, unlockKey)))
    process.stdout.write(`${describe(folders)}\n`)
    if (newestOf(folders) === undefined) throw new ShoalError('not-found', 'bad-usage', 'no log could be read')
  })

try {
  await program.parseAsync(process.argv.slice(4), { from: 'user' })
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
  } else {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 1
  }
}
