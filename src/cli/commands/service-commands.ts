import type { Command } from 'commander'
import { Option } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import type { Config, Secret, Service, Task } from '../../api/engine/swarm-json.ts'
import { print, type CliContext } from '../cli-context.ts'
import { waitForConvergence } from '../output/convergence.ts'
import { renderList } from '../output/list.ts'
import { copyLogs } from '../output/service-log.ts'
import { listServices } from '../output/service-list.ts'
import { listTasks } from '../output/task-list.ts'
import { applyServiceFlags, type FlagValues, type ReferenceLookup } from '../service/apply-service-flags.ts'
import { splitWords } from '../service/flag-values.ts'
import { setPath, type JsonObject } from '../service/json-path.ts'
import { LIST_FLAGS, PLAIN_ON_UPDATE, SCALAR_FLAGS, SWITCH_FLAGS } from '../service/service-flags.ts'
import { collect } from './collect.ts'
import { filtersOf } from './node-commands.ts'


/** `shoal service create|update|ls|ps|inspect|scale|rollback|rm|logs` */
export function addServiceCommands(program: Command, context: CliContext): void {
  const service = program.command('service').description('Manage services')
  addCreate(service, context)
  addUpdate(service, context)
  addLists(service, context)

  service.command('inspect').description('Show services as JSON').argument('<service...>').action(async (refs: readonly string[]) => {
    const services = await Promise.all(refs.map(async ref => getService(context, ref)))
    print(context, JSON.stringify(services, null, 4))
  })
  service.command('scale').description('Set the number of tasks').argument('<service=replicas...>').option('-d, --detach', 'do not wait')
    .action(async (texts: readonly string[], options: { detach?: boolean }) => scale(context, texts, options.detach === true))
  service.command('rollback').description('Go back to the previous spec').argument('<service>').option('-d, --detach', 'do not wait').option('-q, --quiet', 'no progress')
    .action(async (ref: string, options: { detach?: boolean; quiet?: boolean }) => {
      const current = await getService(context, ref)
      await postUpdate(context, current, (current.Spec ?? {}) as JsonObject, { rollback: 'previous' })
      print(context, ref)
      if (options.detach !== true) await waitForConvergence(context, current.ID ?? '', { quiet: options.quiet === true, isRollback: true })
    })
  service.command('rm').description('Remove services').argument('<service...>').action(async (refs: readonly string[]) => {
    for (const ref of refs) {
      await context.api().delete(`/services/${encodeURIComponent(ref)}`)
      print(context, ref)
    }
  })
  service.command('logs').description('Show logs of a service or task').argument('<service|task>').option('-f, --follow', 'go on').option('-n, --tail <lines>', 'lines from the end', 'all')
    .option('-t, --timestamps', 'show times').option('--since <time>', 'since a time or for a duration').option('--raw', 'no prefix').option('--no-trunc', 'whole ids')
    .action(async (ref: string, options: { follow?: boolean; tail: string; timestamps?: boolean; since?: string; raw?: boolean; trunc: boolean }) => copyLogs(context, ref, options))
}

function addCreate(service: Command, context: CliContext): void {
  const create = service.command('create').description('Create a service').argument('<image>').argument('[command...]').passThroughOptions()
    .option('--name <name>', 'service name').option('--mode <mode>', 'replicated, global, replicated-job or global-job', 'replicated').option('--max-concurrent <count>', 'tasks of a job at once')
    .option('-d, --detach', 'do not wait').option('-q, --quiet', 'no progress').option('--env-file <file>', 'read environment variables from a file', collect).option('--no-healthcheck', 'no health check').option('--with-registry-auth', 'accepted: there are no registries yet that credentials could be for')
    .option('--no-resolve-image', 'accepted: images are resolved by the hosts')
  for (const flag of LIST_FLAGS) create.addOption(new Option(`${flag.short === undefined ? '' : `-${flag.short}, `}--${flag.name} <value>`, flag.description).argParser(collect))
  addPlainFlags(create)
  create.action(async (image: string, words: readonly string[], options: Record<string, unknown>) => {
    const spec: JsonObject = { Name: options['name'] ?? '', TaskTemplate: { ContainerSpec: { Image: image, ...(words.length > 0 ? { Args: words } : {}) } } }
    const flags = flagValues(create, options)
    setMode(spec, String(options['mode']), flags)
    await applyServiceFlags(spec, flags, referenceLookup(context))
    adaptJobReplicas(spec, options['maxConcurrent'] as string | undefined)
    const { ID: id, Warnings: warnings } = await context.api().post<{ ID: string; Warnings?: readonly string[] | null }>('/services/create', spec)
    for (const warning of warnings ?? []) context.stderr.write(`${warning}\n`)
    print(context, id)
    if (options['detach'] !== true) await waitForConvergence(context, id, { quiet: options['quiet'] === true })
  })
}

function addUpdate(service: Command, context: CliContext): void {
  const update = service.command('update').description('Change a service').argument('<service>').option('--image <image>', 'image').option('--args <command>', 'command of the containers').option('--force', 'replace every task even if nothing changed')
    .option('--rollback', 'go back to the previous spec').option('-d, --detach', 'do not wait').option('-q, --quiet', 'no progress').option('--no-healthcheck', 'no health check').option('--with-registry-auth', 'accepted: there are no registries yet that credentials could be for')
    .option('--no-resolve-image', 'accepted: images are resolved by the hosts')
  for (const flag of LIST_FLAGS) {
    if (PLAIN_ON_UPDATE.has(flag.name)) {
      update.addOption(new Option(`--${flag.name} <value>`, flag.description).argParser(collect))
    } else {
      update.addOption(new Option(`--${flag.name}-add <value>`, `add or change: ${flag.description}`).argParser(collect))
      update.addOption(new Option(`--${flag.name}-rm <key>`, `remove: ${flag.description}`).argParser(collect))
    }
  }
  addPlainFlags(update)
  update.action(async (ref: string, options: Record<string, unknown>) => {
    const current = await getService(context, ref)
    const spec = structuredClone(current.Spec ?? {}) as JsonObject
    if (options['image'] !== undefined) setPath(spec, 'TaskTemplate.ContainerSpec.Image', options['image'])
    if (options['args'] !== undefined) setPath(spec, 'TaskTemplate.ContainerSpec.Args', splitWords(options['args'] as string))
    if (options['force'] === true) setPath(spec, 'TaskTemplate.ForceUpdate', (current.Spec?.TaskTemplate?.ForceUpdate ?? 0) + 1)
    await applyServiceFlags(spec, flagValues(update, options), referenceLookup(context))
    await postUpdate(context, current, spec, options['rollback'] === true ? { rollback: 'previous' } : {})
    print(context, ref)
    if (options['detach'] !== true) await waitForConvergence(context, current.ID ?? '', { quiet: options['quiet'] === true, isRollback: options['rollback'] === true })
  })
}

function addPlainFlags(command: Command): void {
  for (const flag of SCALAR_FLAGS) command.addOption(new Option(`${flag.short === undefined ? '' : `-${flag.short}, `}--${flag.name} <value>`, flag.description))
  for (const flag of SWITCH_FLAGS) command.addOption(new Option(`${flag.short === undefined ? '' : `-${flag.short}, `}--${flag.name}`, flag.description))
}

function addLists(service: Command, context: CliContext): void {
  service.command('ls').description('List services').option('-q, --quiet', 'only ids').option('--format <format>', 'table, json or a template').option('-f, --filter <filter>', 'name=…, label=…, mode=…', collect)
    .action(async (options: { quiet?: boolean; format?: string; filter?: readonly string[] }) => {
      const services = await context.api().get<readonly Service[]>('/services', { status: true, filters: filtersOf(options.filter) })
      print(context, renderList(listServices(services), options))
    })
  service.command('ps').description('List tasks of services').argument('<service...>').option('-q, --quiet', 'only ids').option('--format <format>').option('--no-trunc', 'whole ids and errors').option('-f, --filter <filter>', 'name=…, node=…, desired-state=…', collect)
    .action(async (refs: readonly string[], options: { quiet?: boolean; format?: string; trunc: boolean; filter?: readonly string[] }) => {
      const ids = await Promise.all(refs.map(async ref => (await getService(context, ref)).ID ?? ''))
      const tasks = await context.api().get<readonly Task[]>('/tasks', { filters: filtersOf(options.filter, { service: ids }) })
      print(context, renderList(await listTasks(context, tasks, { noTrunc: !options.trunc }), options))
    })
}

/** Options that were given, by long flag name. */
function flagValues(command: Command, options: Readonly<Record<string, unknown>>): FlagValues {
  const values = new Map<string, unknown>()
  for (const option of command.options) {
    if (command.getOptionValueSource(option.attributeName()) !== 'cli') continue
    const value = options[option.attributeName()]
    if (option.negate) values.set(option.long?.slice(2) ?? '', value === false)
    else values.set(option.long?.slice(2) ?? '', value)
  }
  return values
}

function setMode(spec: JsonObject, mode: string, flags: FlagValues): void {
  const names: Readonly<Record<string, string>> = { 'replicated': 'Replicated', 'global': 'Global', 'replicated-job': 'ReplicatedJob', 'global-job': 'GlobalJob' }
  const name = names[mode]
  if (name === undefined) throw new ShoalError('invalid-argument', 'bad-flag', `Unknown mode: ${mode}, only replicated, global, replicated-job and global-job supported`)
  if (flags.has('replicas') && !mode.startsWith('replicated')) throw new ShoalError('invalid-argument', 'bad-flag', 'replicas can only be used with replicated or replicated-job mode')
  spec['Mode'] = { [name]: mode === 'replicated' ? { Replicas: 1 } : {} }
}

/** --replicas of a job is its number of completions. */
function adaptJobReplicas(spec: JsonObject, maxConcurrent: string | undefined): void {
  const mode = spec['Mode'] as { Replicated?: { Replicas?: number }; ReplicatedJob?: JsonObject }
  if (mode.ReplicatedJob === undefined) return
  const total = mode.Replicated?.Replicas ?? 1
  mode.ReplicatedJob = { TotalCompletions: total, MaxConcurrent: maxConcurrent === undefined ? total : Number(maxConcurrent) }
  delete mode.Replicated
}

async function scale(context: CliContext, texts: readonly string[], detach: boolean): Promise<void> {
  const scaled: string[] = []
  for (const text of texts) {
    const match = /^(.+)=(\d+)$/.exec(text)
    if (match?.[1] === undefined) throw new ShoalError('invalid-argument', 'bad-flag', `invalid scale specifier '${text}': give SERVICE=REPLICAS`)
    const current = await getService(context, match[1])
    if (current.Spec?.Mode?.Replicated === undefined || current.Spec.Mode.Replicated === null) throw new ShoalError('invalid-argument', 'bad-flag', `${match[1]}: scale can only be used with replicated or replicated-job mode`)
    const spec = structuredClone(current.Spec) as JsonObject
    setPath(spec, 'Mode.Replicated.Replicas', Number(match[2]))
    await postUpdate(context, current, spec, {})
    print(context, `${match[1]} scaled to ${match[2] ?? ''}`)
    scaled.push(current.ID ?? '')
  }
  if (!detach) for (const id of scaled) await waitForConvergence(context, id, { quiet: false })
}

async function postUpdate(context: CliContext, current: Service, spec: JsonObject, query: Readonly<Record<string, string>>): Promise<void> {
  const answer = await context.api().post<{ Warnings?: readonly string[] | null } | undefined>(`/services/${current.ID ?? ''}/update`, spec, { version: current.Version?.Index ?? 0, ...query })
  for (const warning of answer?.Warnings ?? []) context.stderr.write(`${warning}\n`)
}

async function getService(context: CliContext, ref: string): Promise<Service> {
  return context.api().get<Service>(`/services/${encodeURIComponent(ref)}`)
}

/** Finds ids of secrets and configs by name. */
function referenceLookup(context: CliContext): ReferenceLookup {
  return async (kind, name) => {
    const found = await context.api().get<readonly (Secret | Config)[]>(`/${kind}s`, { filters: JSON.stringify({ name: [name] }) })
    const id = found.find(object => object.Spec?.Name === name)?.ID
    if (id === undefined) throw new ShoalError('not-found', 'no-such-object', `${kind} not found: ${name}`)
    return id
  }
}
