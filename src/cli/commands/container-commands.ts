import type { Command } from 'commander'
import type { ContainerInspectResponse, ContainerSummary } from '../../api/engine/engine-json.ts'
import { hasCode } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { readFrames } from '../output/framed-stream.ts'
import { humanDuration, shortId, truncate } from '../output/human.ts'
import { renderList } from '../output/list.ts'
import { addRunCommand } from './run-command.ts'
import { filtersOf } from './node-commands.ts'

const COMMAND_LENGTH = 20
type ContainerRow = Readonly<Record<'ID' | 'Image' | 'Command' | 'CreatedAt' | 'RunningFor' | 'State' | 'Status' | 'Ports' | 'Names' | 'Labels', string>>

/** `shoal run|ps|logs|stop|kill|rm|inspect` */
export function addContainerCommands(program: Command, context: CliContext): void {
  const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value]
  addRunCommand(program, context)

  program.command('ps').description('List containers of this host').option('-a, --all', 'stopped ones too').option('-q, --quiet', 'only ids').option('--no-trunc', 'whole ids and commands').option('-n, --last <count>', 'the newest ones')
    .option('--format <format>', 'table, json or a template').option('-f, --filter <filter>', 'name=…, status=…, label=…', collect)
    .action(async (options: { all?: boolean; quiet?: boolean; trunc: boolean; last?: string; format?: string; filter?: readonly string[] }) => {
      const containers = await context.api().get<readonly ContainerSummary[]>('/containers/json', { all: options.all === true, limit: options.last, filters: filtersOf(options.filter) })
      const rows = containers.map(container => toRow(container, context.clock.nowMs(), !options.trunc))
      print(context, renderList<ContainerRow>({ columns: [['CONTAINER ID', 'ID'], ['IMAGE', 'Image'], ['COMMAND', 'Command'], ['CREATED', 'RunningFor'], ['STATUS', 'Status'], ['PORTS', 'Ports'], ['NAMES', 'Names']], rows }, options))
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
    const objects = await Promise.all(refs.map(async ref => {
      try {
        return await context.api().get<unknown>(`/containers/${encodeURIComponent(ref)}/json`)
      } catch (error) {
        if (!hasCode(error, 'api-error')) throw error
        return context.api().get<unknown>(`/images/${encodeURIComponent(ref)}/json`)
      }
    }))
    print(context, JSON.stringify(objects, null, 4))
  })
}

function each(command: Command, context: CliContext, act: (ref: string, options: Readonly<Record<string, string | undefined>>) => Promise<unknown>): void {
  command.argument('<container...>').action(async (refs: readonly string[], options: Record<string, string | undefined>) => {
    for (const ref of refs) {
      await act(encodeURIComponent(ref), options)
      print(context, ref)
    }
  })
}

function toRow(container: ContainerSummary, nowMs: number, shorten: boolean): ContainerRow {
  const command = container.Command ?? ''
  return {
    ID: shorten ? shortId(container.Id ?? '') : container.Id ?? '', Image: container.Image ?? '', Command: `"${shorten ? truncate(command, COMMAND_LENGTH) : command}"`,
    CreatedAt: new Date((container.Created ?? 0) * 1000).toISOString(), RunningFor: `${humanDuration(nowMs - (container.Created ?? 0) * 1000)} ago`, State: container.State ?? '', Status: container.Status ?? '',
    Ports: (container.Ports ?? []).map(port => `${port.PublicPort === undefined ? '' : `${port.IP ?? '0.0.0.0'}:${port.PublicPort}->`}${port.PrivatePort ?? 0}/${port.Type ?? 'tcp'}`).join(', '),
    Names: (container.Names ?? []).map(name => name.replace(/^\//, '')).join(','), Labels: Object.entries(container.Labels ?? {}).map(([key, value]) => `${key}=${value}`).join(','),
  }
}
