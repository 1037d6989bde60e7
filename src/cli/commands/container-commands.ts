import type { Command } from 'commander'
import type { ContainerInspectResponse, ContainerSummary } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { listContainers } from '../output/container-list.ts'
import { readFrames } from '../output/framed-stream.ts'
import { renderList } from '../output/list.ts'
import { collect } from './collect.ts'
import { addRunCommand } from './run-command.ts'
import { filtersOf } from './node-commands.ts'

/** `shoal run|ps|logs|stop|kill|rm|inspect` */
export function addContainerCommands(program: Command, context: CliContext): void {
  addRunCommand(program, context)

  program.command('ps').description('List containers of this host').option('-a, --all', 'stopped ones too').option('-q, --quiet', 'only ids').option('--no-trunc', 'whole ids and commands').option('-n, --last <count>', 'the newest ones')
    .option('--format <format>', 'table, json or a template').option('-f, --filter <filter>', 'name=…, status=…, label=…', collect)
    .action(async (options: { all?: boolean; quiet?: boolean; trunc: boolean; last?: string; format?: string; filter?: readonly string[] }) => {
      const containers = await context.api().get<readonly ContainerSummary[]>('/containers/json', { all: options.all === true, limit: options.last, filters: filtersOf(options.filter) })
      print(context, renderList(listContainers(containers, context.clock.nowMs(), { noTrunc: !options.trunc }), options))
    })

  program.command('logs').description('Show a container\'s log').argument('<container>').option('-f, --follow', 'go on').option('-n, --tail <lines>', 'lines from the end', 'all').option('-t, --timestamps', 'show times').option('--since <time>').option('--until <time>')
    .action(async (ref: string, options: { follow?: boolean; tail: string; timestamps?: boolean; since?: string; until?: string }) => {
      const path = `/containers/${encodeURIComponent(ref)}`
      const { Config: config } = await context.api().get<ContainerInspectResponse>(`${path}/json`)
      const stream = await context.api().stream('GET', `${path}/logs`, { query: { stdout: true, stderr: true, follow: options.follow === true, tail: options.tail, timestamps: options.timestamps === true, since: options.since, until: options.until }, signal: context.signal })
      if (config?.Tty === true) {
        for await (const chunk of stream) context.stdout.write(chunk as Buffer)
      } else {
        for await (const frame of readFrames(stream)) (frame.stream === 2 ? context.stderr : context.stdout).write(frame.data)
      }
    })

  each(program.command('stop').description('Stop containers').option('-t, --time <seconds>', 'seconds before they are killed').option('-s, --signal <signal>'), context,
    async (ref, options) => context.api().post(`/containers/${ref}/stop`, undefined, { t: options['time'], signal: options['signal'] }))
  each(program.command('kill').description('Send containers a signal').option('-s, --signal <signal>', 'signal', 'KILL'), context,
    async (ref, options) => context.api().post(`/containers/${ref}/kill`, undefined, { signal: options['signal'] }))
  each(program.command('rm').description('Remove containers').option('-f, --force', 'kill it if it runs').option('-v, --volumes', 'its anonymous volumes too'), context,
    async (ref, options) => context.api().delete(`/containers/${ref}`, { force: options['force'] !== undefined, v: options['volumes'] !== undefined }))

  program.command('inspect').description('Show containers or images as JSON').argument('<name...>').action(async (refs: readonly string[]) => {
    const objects = await Promise.all(refs.map(async ref => inspectAny(context, ref)))
    print(context, JSON.stringify(objects, null, 4))
  })
}

/** The container of that name or id, else the image. */
async function inspectAny(context: CliContext, ref: string): Promise<unknown> {
  for (const kind of ['containers', 'images']) {
    try {
      return await context.api().get<unknown>(`/${kind}/${encodeURIComponent(ref)}/json`)
    } catch (error) {
      if (!(error instanceof ShoalError) || error.kind !== 'not-found') throw error
    }
  }
  throw new ShoalError('not-found', 'no-such-object', `no such container or image: ${ref}`)
}

function each(command: Command, context: CliContext, act: (ref: string, options: Readonly<Record<string, string | undefined>>) => Promise<unknown>): void {
  command.argument('<container...>').action(async (refs: readonly string[], options: Record<string, string | undefined>) => {
    for (const ref of refs) {
      await act(encodeURIComponent(ref), options)
      print(context, ref)
    }
  })
}
