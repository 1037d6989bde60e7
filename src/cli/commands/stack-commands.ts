import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import type { Config, Secret, Service, Task } from '../../api/engine/swarm-json.ts'
import { print, type CliContext } from '../cli-context.ts'
import { waitForConvergence } from '../output/convergence.ts'
import { renderList } from '../output/list.ts'
import { compareNatural } from '../output/human.ts'
import { listServices } from '../output/service-list.ts'
import { listTasks } from '../output/task-list.ts'
import { deployStack, stackServices } from '../stack/deploy-stack.ts'
import { readStackFiles } from '../stack/stack-file.ts'
import { collect } from './collect.ts'

const NAMESPACE = 'com.docker.stack.namespace'
const REMOVAL_POLL_MS = 200

/** `shoal stack deploy|ls|ps|services|rm` */
export function addStackCommands(program: Command, context: CliContext): void {
  const stack = program.command('stack').description('Manage stacks: services that are described in one file')

  stack.command('deploy').alias('up').description('Deploy a stack, or change it').argument('<stack>').requiredOption('-c, --compose-file <file>', 'stack file; - for standard input', collect)
    .option('--detach [yes]', 'do not wait until it runs', 'true').option('--prune', 'remove services that the file no longer names').option('-q, --quiet', 'no progress')
    .option('--with-registry-auth', 'accepted: there are no registries yet that credentials could be for').option('--resolve-image <when>', 'accepted: images are resolved by the hosts')
    .action(async (name: string, options: { composeFile: readonly string[]; detach: string; prune?: boolean; quiet?: boolean }) => {
      if (!/^[a-zA-Z0-9][a-zA-Z0-9_-]*$/.test(name)) throw new ShoalError('invalid-argument', 'bad-flag', `invalid stack name: "${name}"`)
      const file = readStackFiles(options.composeFile, context.environment, options.composeFile.includes('-') ? await readStdin(context) : '')
      const ids = await deployStack(context, name, file, { prune: options.prune === true })
      if (options.detach === 'false') for (const id of ids) await waitForConvergence(context, id, { quiet: options.quiet === true })
    })

  stack.command('ls').description('List stacks').option('--format <format>', 'table, json or a template').action(async (options: { format?: string }) => {
    const counts = new Map<string, number>()
    for (const service of await context.api().get<readonly Service[]>('/services', { filters: JSON.stringify({ label: [NAMESPACE] }) })) {
      const name = service.Spec?.Labels?.[NAMESPACE] ?? ''
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    const rows = [...counts].sort(([a], [b]) => compareNatural(a, b)).map(([Name, count]) => ({ Name, Services: String(count), Orchestrator: 'Swarm' }))
    print(context, renderList({ columns: [['NAME', 'Name'], ['SERVICES', 'Services']], rows }, options))
  })

  stack.command('services').description('List services of a stack').argument('<stack>').option('-q, --quiet', 'only ids').option('--format <format>')
    .action(async (name: string, options: { quiet?: boolean; format?: string }) => {
      const services = await stackServices(context, name)
      if (services.length === 0) throw nothingFound(name)
      print(context, renderList(listServices(services), options))
    })

  stack.command('ps').description('List tasks of a stack').argument('<stack>').option('-q, --quiet', 'only ids').option('--format <format>').option('--no-trunc', 'whole ids and errors')
    .action(async (name: string, options: { quiet?: boolean; format?: string; trunc: boolean }) => {
      const tasks = await context.api().get<readonly Task[]>('/tasks', { filters: JSON.stringify({ label: [`${NAMESPACE}=${name}`] }) })
      if (tasks.length === 0) throw nothingFound(name)
      print(context, renderList(await listTasks(context, tasks, { noTrunc: !options.trunc }), options))
    })

  stack.command('rm').alias('down').description('Remove stacks').argument('<stack...>').option('--detach [yes]', 'do not wait until it is gone', 'true')
    .action(async (names: readonly string[], options: { detach: string }) => {
      for (const name of names) await removeStack(context, name, options.detach === 'false')
    })
}

async function removeStack(context: CliContext, name: string, wait: boolean): Promise<void> {
  const filters = JSON.stringify({ label: [`${NAMESPACE}=${name}`] })
  const api = context.api()
  const [services, networks, secrets, configs] = await Promise.all([
    stackServices(context, name), api.get<readonly { Id?: string; Name?: string }[]>('/networks', { filters }), api.get<readonly Secret[]>('/secrets', { filters }), api.get<readonly Config[]>('/configs', { filters }),
  ])
  // To remove what is not there is no failure: scripts run it twice.
  if (services.length + networks.length + secrets.length + configs.length === 0) context.stderr.write(`Nothing found in stack: ${name}\n`)
  for (const service of services) {
    print(context, `Removing service ${service.Spec?.Name ?? ''}`)
    await api.delete(`/services/${service.ID ?? ''}`)
  }
  for (const secret of secrets) {
    print(context, `Removing secret ${secret.Spec?.Name ?? ''}`)
    await api.delete(`/secrets/${secret.ID ?? ''}`)
  }
  for (const config of configs) {
    print(context, `Removing config ${config.Spec?.Name ?? ''}`)
    await api.delete(`/configs/${config.ID ?? ''}`)
  }
  for (const network of networks) {
    print(context, `Removing network ${network.Name ?? ''}`)
    await api.delete(`/networks/${network.Id ?? ''}`)
  }
  while (wait && (await api.get<readonly Task[]>('/tasks', { filters })).length > 0) await context.clock.sleep(REMOVAL_POLL_MS, context.signal)
}

function nothingFound(name: string): ShoalError {
  return new ShoalError('not-found', 'no-such-stack', `nothing found in stack: ${name}`)
}

async function readStdin(context: CliContext): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of context.stdin) chunks.push(Buffer.from(chunk as Buffer))
  return Buffer.concat(chunks).toString('utf8')
}
