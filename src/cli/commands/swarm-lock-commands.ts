import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import type { SwarmSpec } from '../../api/engine/engine-json.ts'
import type { Swarm } from '../../api/engine/swarm-json.ts'
import { print, type CliContext } from '../cli-context.ts'

/** An unlock key has 52 characters. */
const KEY_CHARACTERS_MAX = 1024

/** `shoal swarm unlock|unlock-key|update` */
export function addSwarmLockCommands(swarm: Command, context: CliContext): void {
  swarm.command('unlock').description('Let this manager take part again after a restart; the unlock key is read from standard input').action(async () => {
    if (context.stdin.isTTY === true) context.stderr.write('Enter unlock key: ')
    await context.api().post('/swarm/unlock', { UnlockKey: await readLine(context) })
  })

  swarm.command('unlock-key').description('Show the key that unlocks managers').option('-q, --quiet', 'only the key').option('--rotate', 'make a new key; keep the old one until every manager has it')
    .action(async (options: { quiet?: boolean; rotate?: boolean }) => {
      if (options.rotate === true) {
        const { Spec, Version } = await readSwarm(context)
        if (Spec?.EncryptionConfig?.AutoLockManagers !== true) throw new ShoalError('failed-precondition', 'bad-usage', 'cannot rotate because autolock is not turned on')
        await context.api().post('/swarm/update', Spec, { version: Version?.Index ?? 0, rotateManagerUnlockKey: true })
        if (options.quiet !== true) print(context, 'Successfully rotated manager unlock key.\n')
      }
      await printUnlockKey(context, options.quiet === true)
    })

  swarm.command('update').description('Change the cluster').requiredOption('--autolock <on>', 'true: managers need the unlock key when they start again; or false')
    .action(async ({ autolock }: { autolock: string }) => {
      if (autolock !== 'true' && autolock !== 'false') throw new ShoalError('invalid-argument', 'bad-flag', `--autolock ${autolock}: true or false`)
      const { Spec, Version } = await readSwarm(context)
      await context.api().post('/swarm/update', { ...Spec, EncryptionConfig: { AutoLockManagers: autolock === 'true' } }, { version: Version?.Index ?? 0 })
      print(context, 'Swarm updated.')
      if (autolock === 'true' && Spec?.EncryptionConfig?.AutoLockManagers !== true) await printUnlockKey(context, false)
    })
}

/** @throws ShoalError `no-unlock-key` */
export async function printUnlockKey(context: CliContext, quiet: boolean): Promise<void> {
  const { UnlockKey = '' } = await context.api().get<{ readonly UnlockKey?: string }>('/swarm/unlockkey')
  if (UnlockKey === '') throw new ShoalError('failed-precondition', 'no-unlock-key', 'no unlock key is set')
  print(context, quiet ? UnlockKey : `To unlock a swarm manager after it restarts, run the \`shoal swarm unlock\`\ncommand and provide the following key:\n\n    ${UnlockKey}\n\nRemember to store this key in a password manager, since without it you\nwill not be able to restart the manager.`)
}

async function readSwarm(context: CliContext): Promise<Swarm & { readonly Spec?: SwarmSpec }> { return context.api().get('/swarm') }

async function readLine({ stdin }: CliContext): Promise<string> {
  let text = ''
  for await (const chunk of stdin) {
    text = (text + String(chunk)).slice(0, KEY_CHARACTERS_MAX)
    if (text.includes('\n')) break
  }
  return text.split('\n')[0]?.trim() ?? ''
}
