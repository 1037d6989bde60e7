import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { print, type CliContext } from '../cli-context.ts'

/** `shoal version|info`, `shoal system dial-stdio` */
export function addSystemCommands(program: Command, context: CliContext): void {
  program.command('version').description('Show versions').action(async () => {
    const version = await context.api().get<Readonly<Record<string, unknown>>>('/version')
    print(context, ['Version', 'ApiVersion', 'MinAPIVersion', 'GitCommit', 'Os', 'Arch', 'KernelVersion'].map(key => `${`${key}:`.padEnd(16)}${String(version[key] ?? '')}`).join('\n'))
  })
  program.command('info').description('Show what this host knows of itself, as JSON').action(async () => {
    print(context, JSON.stringify(await context.api().get('/info'), null, 4))
  })
  program.command('system').description('Talk to the daemon itself').command('dial-stdio').description('Join standard input and output to the daemon\'s API, as `docker -H ssh://…` wants it at the other end')
    .action(async () => joinStdio(context, await context.api().dial()))
}

/** Until the daemon has said all it has to say: the end of our input is passed on and does not end its answer. */
async function joinStdio({ stdin, stdout }: CliContext, connection: Duplex): Promise<void> {
  const sending = pipeline(stdin, connection).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && error.code !== 'EPIPE') throw error })
  await new Promise<void>((resolve, reject) => {
    connection.on('data', (chunk: Buffer) => { if (!stdout.write(chunk)) { connection.pause(); stdout.once('drain', () => connection.resume()) } })
    connection.on('end', resolve)
    connection.on('error', reject)
  })
  // The other side has nothing more to read.
  stdin.destroy()
  connection.destroy()
  await sending
}
