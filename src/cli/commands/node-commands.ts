import type { Command } from 'commander'
import type { Node, Task } from '../../api/engine/swarm-json.ts'
import { print, type CliContext } from '../cli-context.ts'
import { renderList } from '../output/list.ts'
import { listNodes } from '../output/node-list.ts'
import { listTasks } from '../output/task-list.ts'
import { setPath, type JsonObject } from '../service/json-path.ts'
import { collect } from './collect.ts'

interface SystemInfo { readonly Swarm?: { readonly NodeID?: string } }

/** `shoal node ls|ps|inspect|update|promote|demote|rm` */
export function addNodeCommands(program: Command, context: CliContext): void {
  const node = program.command('node').description('Manage hosts of the cluster')

  node.command('ls').description('List hosts').option('-q, --quiet', 'only ids').option('--format <format>', 'table, json or a template').option('-f, --filter <filter>', 'name=…, role=…', collect)
    .action(async (options: { quiet?: boolean; format?: string; filter?: readonly string[] }) => {
      const [nodes, info] = await Promise.all([context.api().get<readonly Node[]>('/nodes', { filters: filtersOf(options.filter) }), context.api().get<SystemInfo>('/info')])
      print(context, renderList(listNodes(nodes, info.Swarm?.NodeID ?? ''), options))
    })

  node.command('ps').description('List tasks of hosts').argument('[node...]', 'default: this one').option('-q, --quiet', 'only ids').option('--format <format>').option('--no-trunc', 'whole ids and errors')
    .option('-f, --filter <filter>', 'name=…, desired-state=…', collect)
    .action(async (refs: readonly string[], options: { quiet?: boolean; format?: string; trunc: boolean; filter?: readonly string[] }) => {
      const ids = await Promise.all((refs.length === 0 ? ['self'] : refs).map(ref => nodeId(context, ref)))
      const tasks = await context.api().get<readonly Task[]>('/tasks', { filters: filtersOf(options.filter, { node: ids }) })
      print(context, renderList(await listTasks(context, tasks, { noTrunc: !options.trunc }), options))
    })

  node.command('inspect').description('Show hosts as JSON').argument('<node...>').action(async (refs: readonly string[]) => {
    const nodes = await Promise.all(refs.map(async ref => context.api().get(`/nodes/${await nodeId(context, ref)}`)))
    print(context, JSON.stringify(nodes, null, 4))
  })

  node.command('update').description('Change a host').argument('<node>').option('--availability <state>', 'active, pause or drain').option('--role <role>', 'worker or manager')
    .option('--label-add <key=value>', 'add a label', collect).option('--label-rm <key>', 'remove a label', collect)
    .action(async (ref: string, options: { availability?: string; role?: string; labelAdd?: readonly string[]; labelRm?: readonly string[] }) => {
      await updateNode(context, ref, spec => {
        if (options.availability !== undefined) spec['Availability'] = options.availability
        if (options.role !== undefined) spec['Role'] = options.role
        for (const label of options.labelAdd ?? []) {
          const [key, ...rest] = label.split('=')
          setPath(spec, `Labels.${key ?? ''}`, rest.join('='))
        }
        for (const key of options.labelRm ?? []) delete (spec['Labels'] as JsonObject | undefined)?.[key]
      })
      print(context, ref)
    })
  for (const [name, role] of [['promote', 'manager'], ['demote', 'worker']] as const) {
    node.command(name).description(`Make hosts ${role}s`).argument('<node...>').action(async (refs: readonly string[]) => {
      for (const ref of refs) {
        await updateNode(context, ref, spec => { spec['Role'] = role })
        print(context, name === 'promote' ? `Node ${ref} promoted to a manager in the swarm.` : `Manager ${ref} demoted in the swarm.`)
      }
    })
  }
  node.command('rm').description('Remove hosts from the cluster').argument('<node...>').option('-f, --force', 'even if it still runs')
    .action(async (refs: readonly string[], options: { force?: boolean }) => {
      for (const ref of refs) {
        await context.api().delete(`/nodes/${encodeURIComponent(ref)}`, { force: options.force === true })
        print(context, ref)
      }
    })
}

/** `name=value` texts to the API's filters, joined with fixed ones. */
export function filtersOf(texts: readonly string[] = [], fixed: Readonly<Record<string, readonly string[]>> = {}): string {
  const filters: Record<string, string[]> = Object.fromEntries(Object.entries(fixed).map(([key, values]) => [key, [...values]]))
  for (const text of texts) {
    const at = text.indexOf('=')
    const key = at < 0 ? text : text.slice(0, at)
    ;(filters[key] ??= []).push(at < 0 ? '' : text.slice(at + 1))
  }
  return JSON.stringify(filters)
}

async function nodeId(context: CliContext, ref: string): Promise<string> {
  if (ref === 'self') return (await context.api().get<SystemInfo>('/info')).Swarm?.NodeID ?? ''
  return (await context.api().get<Node>(`/nodes/${encodeURIComponent(ref)}`)).ID ?? ''
}

async function updateNode(context: CliContext, ref: string, change: (spec: JsonObject) => void): Promise<void> {
  const node = await context.api().get<Node>(`/nodes/${encodeURIComponent(ref)}`)
  const spec = structuredClone(node.Spec ?? {}) as JsonObject
  change(spec)
  await context.api().post(`/nodes/${node.ID ?? ''}/update`, spec, { version: node.Version?.Index ?? 0 })
}
