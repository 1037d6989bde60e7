/** The program behind `shoal daemon`: reads its configuration, runs until it is told to stop, leaves containers and manager running. */
import { CommanderError } from 'commander'
import { ShoalError, messageOf } from '../base/errors.ts'
import { PinoLogger } from '../platform/log/pino-logger.ts'
import { parseDaemonConfig } from './daemon-config.ts'
import { Daemon } from './daemon.ts'
import { claimPidFile } from './pid-file.ts'

const FORCED_EXIT_MS = 10_000

async function main(): Promise<void> {
  const config = parseDaemonConfig(process.argv.slice(2).filter((word, i) => i > 0 || word !== 'daemon'))
  const logger = PinoLogger.create(config.logLevel)
  const pidFile = claimPidFile(config.pidFile)
  const daemon = await Daemon.start(config, logger)
  const stop = (signal: string): void => {
    logger.info('stopping; containers go on running', { signal })
    setTimeout(() => process.exit(1), FORCED_EXIT_MS).unref()
    daemon[Symbol.asyncDispose]().then(() => {
      pidFile.release()
      process.exit(0)
    }, (err: unknown) => {
      logger.error('stopping failed', { err })
      process.exit(1)
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal))
  process.on('SIGHUP', () => logger.info('SIGHUP: the configuration is read at start only'))
}

process.on('unhandledRejection', (error: unknown) => {
  // A defect of ours: what was going on is unknown, and containers do not depend on this process. Restart is the clean way out.
  process.stderr.write(`unhandled rejection: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
  process.exit(70)
})

try {
  await main()
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode)
  process.stderr.write(`shoal daemon: ${messageOf(error)}\n`)
  if (!(error instanceof ShoalError) && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  process.exit(1)
}
