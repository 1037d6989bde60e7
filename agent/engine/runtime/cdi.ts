import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { DeviceRequest, HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { devicesAt } from './host-devices.ts'
import type { OciDevice } from './oci-resources.ts'
import type { OciMount } from './oci-spec.ts'

/** Where device vendors describe their devices; a later folder's description of a kind replaces an earlier one's. */
export const CDI_FOLDERS: readonly string[] = ['/etc/cdi', '/var/run/cdi']
/** vendor.com/class=name */
const DEVICE_NAME = /^([A-Za-z][\w.-]*\/[A-Za-z][\w-]*)=([A-Za-z0-9](?:[\w.:-]*[A-Za-z0-9])?)$/
/** What --gpus asks for, by the names that nvidia-ctk writes. */
const CARD_KIND = 'nvidia.com/gpu'
/** A description of any device that there is has a few kilobytes. */
const SPEC_BYTES_MAX = 4 * 1024 * 1024
const HOOKS: readonly string[] = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']

export interface OciHook { readonly path: string; readonly args?: readonly string[]; readonly env?: readonly string[]; readonly timeout?: number }

/** What devices change in a container. */
export interface DeviceEdits {
  readonly env: readonly string[]
  readonly devices: readonly OciDevice[]
  readonly mounts: readonly OciMount[]
  readonly hooks: Readonly<Record<string, readonly OciHook[]>>
  readonly additionalGids: readonly number[]
}

export const NO_EDITS: DeviceEdits = { env: [], devices: [], mounts: [], hooks: {}, additionalGids: [] }

/** Of the Container Device Interface specification, 0.3 to 0.8. */
interface CdiSpec { readonly kind?: string; readonly containerEdits?: CdiEdits; readonly devices?: readonly { readonly name?: string; readonly containerEdits?: CdiEdits }[] }
interface CdiEdits {
  readonly env?: readonly string[]
  readonly deviceNodes?: readonly { readonly path?: string; readonly hostPath?: string; readonly type?: string; readonly major?: number; readonly minor?: number; readonly fileMode?: number; readonly permissions?: string; readonly uid?: number; readonly gid?: number }[]
  readonly mounts?: readonly { readonly hostPath?: string; readonly containerPath?: string; readonly type?: string; readonly options?: readonly string[] }[]
  readonly hooks?: readonly { readonly hookName?: string; readonly path?: string; readonly args?: readonly string[]; readonly env?: readonly string[]; readonly timeout?: number }[]
  readonly additionalGids?: readonly number[]
}

/** Refuses device requests that are malformed; whether devices are there is asked at each start. @throws `invalid-config` (invalid-argument) */
export function checkDeviceRequests(host: HostConfig): void {
  for (const request of host.DeviceRequests ?? []) if (request.Driver === 'cdi') checkNames(request.DeviceIDs ?? [])
}

/**
 * The edits of every device that is asked for by its name (--device vendor.com/class=name), or as a graphics card whose vendor describes it (--gpus).
 * @throws `unsupported-device-request`, `no-such-device` (invalid-argument)
 */
export function deviceEdits(host: HostConfig, folders: readonly string[] = CDI_FOLDERS): DeviceEdits {
  const requests = host.DeviceRequests ?? []
  if (requests.length === 0) return NO_EDITS
  const specs = readSpecs(folders)
  const names = requests.flatMap(request => namesOf(request, specs))
  const missing = names.filter(name => !findDevice(specs, name))
  if (missing.length > 0) throw new ShoalError('invalid-argument', 'no-such-device', `CDI device injection failed: unresolvable CDI devices ${missing.join(', ')}`)
  const kinds = new Set<string>()
  const edits = names.flatMap(name => {
    const { spec, device } = findDevice(specs, name) ?? {}
    const isFirst = spec !== undefined && !kinds.has(spec.kind ?? '')
    kinds.add(spec?.kind ?? '')
    return [...(isFirst ? [spec.containerEdits ?? {}] : []), device?.containerEdits ?? {}]
  })
  return edits.map(toEdits).reduce(joinEdits, NO_EDITS)
}

/** A request that names devices of the Interface, or asks for cards that a description is there of, as dockerd does since 29; every other one needs a vendor's driver, and none is here. */
function namesOf(request: DeviceRequest, specs: readonly CdiSpec[]): readonly string[] {
  const { Driver: driver = '', Count: count = 0 } = request
  const [ids, capabilities] = [request.DeviceIDs ?? [], request.Capabilities ?? []]
  if (driver !== 'cdi') {
    const isForCards = ['', 'nvidia'].includes(driver) && capabilities.some(set => set.includes('gpu') || set.includes('nvidia'))
    if (isForCards && specs.some(({ kind }) => kind === CARD_KIND)) return (ids.length > 0 ? ids : cards(count)).map(id => `${CARD_KIND}=${id}`)
    throw new ShoalError('invalid-argument', 'unsupported-device-request', `could not select device driver "${driver}" with capabilities: [${capabilities.map(set => `[${set.join(' ')}]`).join(' ')}]`)
  }
  checkNames(ids)
  return ids
}

/** -1 is all of them. */
function cards(count: number): readonly string[] { return count < 0 ? ['all'] : Array.from({ length: count }, (_, at) => String(at)) }

function checkNames(names: readonly string[]): void {
  const wrong = names.find(name => !DEVICE_NAME.test(name))
  if (wrong !== undefined) throw new ShoalError('invalid-argument', 'invalid-config', `invalid CDI device name "${wrong}": give vendor.com/class=name`)
}

function findDevice(specs: readonly CdiSpec[], name: string): { readonly spec: CdiSpec; readonly device: { readonly containerEdits?: CdiEdits } } | undefined {
  const [, kind, own] = DEVICE_NAME.exec(name) ?? []
  for (const spec of specs) {
    const device = spec.kind === kind ? spec.devices?.find(each => each.name === own) : undefined
    if (device !== undefined) return { spec, device }
  }
  return undefined
}

/** Those of later folders first, so that they are found first. A file that cannot be understood describes nothing. */
function readSpecs(folders: readonly string[]): readonly CdiSpec[] {
  return [...folders].reverse().flatMap(folder => listOf(folder).map(name => readSpec(join(folder, name))).filter(spec => spec !== undefined))
}

function listOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter(name => /\.(json|yaml|yml)$/.test(name)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readSpec(path: string): CdiSpec | undefined {
  const text = readFileSync(path, 'utf8')
  if (text.length > SPEC_BYTES_MAX) return undefined
  try {
    const spec: unknown = path.endsWith('.json') ? JSON.parse(text) : parse(text)
    return typeof spec === 'object' && spec !== null ? spec : undefined
  } catch {
    return undefined // Not JSON, not YAML: it describes no device.
  }
}

function toEdits(edits: CdiEdits): DeviceEdits {
  const hooks = (edits.hooks ?? []).filter(hook => HOOKS.includes(hook.hookName ?? '') && hook.path !== undefined)
  return {
    env: edits.env ?? [],
    devices: (edits.deviceNodes ?? []).flatMap(node => nodeOf(node)),
    mounts: (edits.mounts ?? []).flatMap(({ hostPath, containerPath, type, options }) => (hostPath === undefined || containerPath === undefined ? []
      : [{ source: hostPath, destination: containerPath, type: type ?? 'bind', options: options ?? ['rbind', 'ro', 'nosuid', 'nodev', 'rprivate'] }])),
    hooks: Object.fromEntries(HOOKS.map(name => [name, hooks.filter(hook => hook.hookName === name).map(({ path = '', args, env, timeout }) => ({
      path, ...(args === undefined ? {} : { args }), ...(env === undefined ? {} : { env }), ...(timeout === undefined ? {} : { timeout }),
    }))] as const).filter(([, list]) => list.length > 0)),
    additionalGids: (edits.additionalGids ?? []).filter(gid => gid > 0),
  }
}

/** Numbers that a description leaves out are the host's. */
function nodeOf(node: NonNullable<CdiEdits['deviceNodes']>[number]): readonly OciDevice[] {
  const path = node.path ?? ''
  const access = node.permissions ?? 'rwm'
  const type = node.type === 'b' || node.type === 'c' ? node.type : undefined
  const base: readonly OciDevice[] = type !== undefined && node.major !== undefined ? [{ path, type, major: node.major, minor: node.minor ?? 0, fileMode: 0o660, uid: 0, gid: 0, access }] : devicesAt(node.hostPath ?? path, path, access)
  return base.map(device => ({ ...device, ...(node.fileMode === undefined ? {} : { fileMode: node.fileMode & 0o777 }), ...(node.uid === undefined ? {} : { uid: node.uid }), ...(node.gid === undefined ? {} : { gid: node.gid }) }))
}

function joinEdits(a: DeviceEdits, b: DeviceEdits): DeviceEdits {
  const names = new Set([...Object.keys(a.hooks), ...Object.keys(b.hooks)])
  return {
    env: [...a.env, ...b.env], devices: [...a.devices, ...b.devices], mounts: [...a.mounts, ...b.mounts], additionalGids: [...a.additionalGids, ...b.additionalGids],
    hooks: Object.fromEntries([...names].map(name => [name, [...a.hooks[name] ?? [], ...b.hooks[name] ?? []]])),
  }
}
