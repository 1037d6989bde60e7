/** The `shoal` command: parses the command line, runs one command, sets the exit status. */
import { Command, CommanderError } from 'commander'
import { messageOf } from '../base/errors.ts'
import { SystemClock } from '../platform/clock/system-clock.ts'
import { ApiClient } from './api-client.ts'
import type { CliContext } from './cli-context.ts'
import { addBuildCommand } from './commands/build-command.ts'
import { addContainerCommands } from './commands/container-commands.ts'
import { addImageCommands } from './commands/image-commands.ts'
import { addNodeCommands } from './commands/node-commands.ts'
import { addServiceCommands } from './commands/service-commands.ts'
import { addStackCommands } from './commands/stack-commands.ts'
import { addSwarmAnnounceCommand } from './commands/swarm-announce-command.ts'
import { addSwarmRecoverCommand } from './commands/swarm-recover-command.ts'
import { addSwarmRecoveryCommands } from './commands/swarm-recovery-commands.ts'
import { addSwarmCommands } from './commands/swarm-commands.ts'
import { addRegistryCommands } from './commands/registry-commands.ts'
import { addSystemCommands } from './commands/system-commands.ts'
import { resolveEndpoint } from './endpoint.ts'

const EXIT_USAGE = 125

function createProgram(context: CliContext): Command {
  const program = new Command('shoal').description('Containers on one host or a thousand').enablePositionalOptions().exitOverride()
    .option('-H, --host <address>', 'daemon to talk to: unix:///path or tcp://host:port (default: $SHOAL_HOST, $DOCKER_HOST, unix:///run/shoal.sock)')
  for (const add of [addSwarmCommands, addSwarmRecoveryCommands, addSwarmRecoverCommand, addSwarmAnnounceCommand, addNodeCommands, addServiceCommands, addStackCommands, addContainerCommands, addBuildCommand, addImageCommands, addRegistryCommands, addSystemCommands]) add(program, context)
  program.command('daemon').description('Run the engine and this host\'s part of the cluster (shoal daemon --help)').allowUnknownOption()
  return program
}

async function main(): Promise<void> {
  const interrupted = new AbortController()
  process.once('SIGINT', () => { interrupted.abort(new Error('interrupted')) })
  // The reader went away (`shoal ps | head`): that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => { process.exit(error.code === 'EPIPE' ? 0 : 1) })
  let client: ApiClient | undefined
  const context: CliContext = {
    api: () => (client ??= new ApiClient(resolveEndpoint(program.opts<{ host?: string }>().host, process.env))),
    clock: new SystemClock(), stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, environment: process.env, signal: interrupted.signal,
    setExitCode: code => { process.exitCode = code },
  }
  const program = createProgram(context)
  try {
    await program.parseAsync(process.argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
    } else if (interrupted.signal.aborted) {
      process.exitCode = 130
    } else {
      process.stderr.write(`${messageOf(error)}\n`)
      process.exitCode = 1
    }
  }
}

await main()
