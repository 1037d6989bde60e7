/** The program behind `shoal daemon`: reads its configuration, runs until it is told to stop, leaves containers and manager running. */
import { writeFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { ShoalError, messageOf } from '../base/errors.ts'
import { PinoLogger } from '../platform/log/pino-logger.ts'
import { daemonConfig } from './daemon-config.ts'
import { Daemon } from './daemon.ts'
import { LiveConfig } from './live-config.ts'
import { claimPidFile } from './pid-file.ts'
import { parseFlags } from './settings/parse-flags.ts'
import { Supervisor } from './supervisor.ts'

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2).filter((word, i) => i > 0 || word !== 'daemon'))
  const config = daemonConfig(flags)
  if (flags.validate) {
    process.stdout.write('configuration OK\n')
    return
  }
  const logger = PinoLogger.create(config.logLevel)
  const live = new LiveConfig(flags, config, logger)
  live.onReload(({ logLevel }) => logger.setLevel(logLevel))
  const supervisor = new Supervisor(process.env['NOTIFY_SOCKET'], logger)
  if (config.oomScoreAdjust !== 0) writeFileSync('/proc/self/oom_score_adj', String(config.oomScoreAdjust))
  const pidFile = claimPidFile(config.pidFile)
  const daemon = await Daemon.start(live, logger).catch((error: unknown) => {
    pidFile.release()
    throw error
  })
  supervisor.ready()
  const stop = (signal: string): void => {
    logger.info('stopping; containers go on running', { signal })
    supervisor.stopping()
    const { shutdownTimeoutSeconds } = live.current
    if (shutdownTimeoutSeconds >= 0) setTimeout(() => process.exit(1), shutdownTimeoutSeconds * 1000).unref()
    daemon[Symbol.asyncDispose]().then(() => {
      pidFile.release()
      process.exit(0)
    }, (err: unknown) => {
      logger.error('stopping failed', { err })
      process.exit(1)
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal))
  process.on('SIGHUP', () => {
    supervisor.reloading(Number(process.hrtime.bigint() / 1_000_000n))
    live.reload()
    supervisor.ready()
  })
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
