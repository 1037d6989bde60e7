import type { Command } from 'commander'
import { print, type CliContext } from '../cli-context.ts'

/** `shoal version|info` */
export function addSystemCommands(program: Command, context: CliContext): void {
  program.command('version').description('Show versions').action(async () => {
    const version = await context.api().get<Readonly<Record<string, unknown>>>('/version')
    print(context, ['Version', 'ApiVersion', 'MinAPIVersion', 'GitCommit', 'Os', 'Arch', 'KernelVersion'].map(key => `${`${key}:`.padEnd(16)}${String(version[key] ?? '')}`).join('\n'))
  })
  program.command('info').description('Show what this host knows of itself, as JSON').action(async () => {
    print(context, JSON.stringify(await context.api().get('/info'), null, 4))
  })
}
