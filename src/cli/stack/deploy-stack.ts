import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import type { Config, Secret, Service } from '../../api/engine/swarm-json.ts'
import { print, type CliContext } from '../cli-context.ts'
import type { JsonObject } from '../service/json-path.ts'
import { IGNORED_KEYS, convertService, networkName, objectName, pairs, type StackReferences } from './convert-service.ts'
import { badStack, type StackFile } from './stack-file.ts'

const NAMESPACE = 'com.docker.stack.namespace'

/**
 * Makes the cluster be what the stack file says: networks, secrets and configs first, then services.
 * @returns ids of the stack's services
 */
export async function deployStack(context: CliContext, stack: string, file: StackFile, options: { readonly prune: boolean }): Promise<readonly string[]> {
  warnOfIgnored(context, file)
  await createNetworks(context, stack, file)
  const references: StackReferences = { secrets: await createFiles(context, stack, file, 'secrets'), configs: await createFiles(context, stack, file, 'configs') }
  const existing = await stackServices(context, stack)
  const names = Object.keys(file.services)
  const ids: string[] = []
  for (const name of names) ids.push(await deployService(context, convertService(stack, name, file, references), existing))
  if (options.prune) await removeUnnamed(context, existing, new Set(names.map(name => `${stack}_${name}`)))
  return ids
}

/** Services that carry the stack's label. */
export async function stackServices(context: CliContext, stack: string): Promise<readonly Service[]> {
  return context.api().get<readonly Service[]>('/services', { status: true, filters: JSON.stringify({ label: [`${NAMESPACE}=${stack}`] }) })
}

function warnOfIgnored(context: CliContext, file: StackFile): void {
  const used = IGNORED_KEYS.filter(key => Object.values(file.services).some(service => key in service))
  if (used.length > 0) context.stderr.write(`Ignoring unsupported options: ${used.join(', ')}\n\n`)
}

async function createNetworks(context: CliContext, stack: string, file: StackFile): Promise<void> {
  const used = new Set<string>()
  for (const service of Object.values(file.services)) {
    const networks = service['networks'] ?? ['default']
    for (const network of Array.isArray(networks) ? networks.map(String) : Object.keys(networks as object)) used.add(network)
  }
  const existing = new Set((await context.api().get<readonly { Name?: string }[]>('/networks')).map(network => network.Name))
  for (const network of used) {
    const definition = file.networks[network] ?? {}
    const name = networkName(stack, network, file)
    if (existing.has(name)) continue
    if (definition['external'] !== undefined && definition['external'] !== false) throw new ShoalError('not-found', 'no-such-network', `network "${name}" is declared as external, but could not be found. You need to create a swarm-scoped network before the stack is deployed`)
    print(context, `Creating network ${name}`)
    const ipam = (definition['ipam'] ?? {}) as { driver?: string; config?: readonly { subnet?: string; gateway?: string; ip_range?: string }[] }
    await context.api().post('/networks/create', {
      Name: name, Driver: definition['driver'] ?? 'overlay', Scope: 'swarm', Options: definition['driver_opts'] ?? {}, Labels: { ...pairs(definition['labels']), [NAMESPACE]: stack },
      Internal: definition['internal'] === true, Attachable: definition['attachable'] === true,
      ...(definition['ipam'] === undefined ? {} : { IPAM: { Driver: ipam.driver ?? 'default', Config: (ipam.config ?? []).map(config => ({ Subnet: config.subnet, Gateway: config.gateway, IPRange: config.ip_range })) } }),
    })
  }
}

async function createFiles(context: CliContext, stack: string, file: StackFile, kind: 'secrets' | 'configs'): Promise<ReadonlyMap<string, string>> {
  const existing = new Map((await context.api().get<readonly (Secret | Config)[]>(`/${kind}`)).map(object => [object.Spec?.Name ?? '', object]))
  const ids = new Map<string, string>()
  for (const [key, definition] of Object.entries(file[kind])) {
    const name = objectName(stack, key, definition)
    const found = existing.get(name)
    if (definition['external'] !== undefined && definition['external'] !== false) {
      if (found?.ID === undefined) throw new ShoalError('not-found', 'no-such-object', `${kind.slice(0, -1)} not found: ${name}; create it before the stack is deployed`)
      ids.set(name, found.ID)
      continue
    }
    const spec = { Name: name, Labels: { ...pairs(definition['labels']), [NAMESPACE]: stack }, Data: contentOf(context, key, definition, file).toString('base64'), ...(definition['template_driver'] === undefined ? {} : { Templating: { Name: definition['template_driver'] } }) }
    if (found?.ID === undefined) {
      print(context, `Creating ${kind.slice(0, -1)} ${name}`)
      ids.set(name, (await context.api().post<{ ID: string }>(`/${kind}/create`, spec)).ID)
    } else {
      await context.api().post(`/${kind}/${found.ID}/update`, spec, { version: found.Version?.Index ?? 0 })
      ids.set(name, found.ID)
    }
  }
  return ids
}

function contentOf(context: CliContext, name: string, definition: Readonly<Record<string, unknown>>, file: StackFile): Buffer {
  if (typeof definition['content'] === 'string') return Buffer.from(definition['content'])
  if (typeof definition['environment'] === 'string') return Buffer.from(context.environment[definition['environment']] ?? '')
  if (typeof definition['file'] !== 'string') throw badStack(`${name}: give it a file, content, environment or external: true`)
  try {
    return readFileSync(resolve(file.folder, definition['file']))
  } catch (cause) {
    throw badStack(`${name}: cannot read ${definition['file']}`, cause)
  }
}

async function deployService(context: CliContext, spec: JsonObject, existing: readonly Service[]): Promise<string> {
  const current = existing.find(service => service.Spec?.Name === spec['Name'])
  if (current?.ID === undefined) {
    print(context, `Creating service ${String(spec['Name'])}`)
    return (await context.api().post<{ ID: string }>('/services/create', spec)).ID
  }
  print(context, `Updating service ${String(spec['Name'])} (id: ${current.ID})`)
  // Not part of the file: a forced update of before stays counted, or every task would be replaced.
  const template = spec['TaskTemplate'] as JsonObject
  template['ForceUpdate'] = current.Spec?.TaskTemplate?.ForceUpdate ?? 0
  await context.api().post(`/services/${current.ID}/update`, spec, { version: current.Version?.Index ?? 0 })
  return current.ID
}

async function removeUnnamed(context: CliContext, existing: readonly Service[], keep: ReadonlySet<string>): Promise<void> {
  for (const service of existing) {
    if (keep.has(service.Spec?.Name ?? '')) continue
    print(context, `Removing service ${service.Spec?.Name ?? ''}`)
    await context.api().delete(`/services/${service.ID ?? ''}`)
  }
}
