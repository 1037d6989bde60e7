import { lstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { OciDevice, OciThrottle } from './oci-resources.ts'

/** Made by the runtime itself, or nothing that another container should have. */
const RUNTIME_OWN = /^\/dev\/(pts|shm|fd|mqueue|\.lxc|\.lxd-mounts|\.udev|console|ptmx|stdin|stdout|stderr)(\/|$)/
const PERMISSIONS = /^[rwm]{1,3}$/

/** --device: a node, or all nodes of a directory, as the container shall see them. @throws `no-such-device`, `invalid-config` (invalid-argument) */
export function devicesOf(host: HostConfig): readonly OciDevice[] {
  if (host.Privileged === true) return [...hostDevices(), ...renamed(host)]
  return (host.Devices ?? []).flatMap(({ PathOnHost: path = '', PathInContainer: target = '', CgroupPermissions: permissions = '' }) => {
    const access = permissions === '' ? 'rwm' : permissions
    if (!PERMISSIONS.test(access)) throw new ShoalError('invalid-argument', 'invalid-config', `invalid device mode: ${access}`)
    return devicesAt(path, target === '' ? path : target, access)
  })
}

/** A privileged container has every device by its own name; what it wants under another one comes besides, if it is there at all. */
function renamed(host: HostConfig): readonly OciDevice[] {
  return (host.Devices ?? []).filter(({ PathOnHost: path = '', PathInContainer: target = '' }) => target !== '' && target !== path && exists(path))
    .flatMap(({ PathOnHost: path = '', PathInContainer: target = '' }) => devicesAt(path, target, 'rwm'))
}

function exists(path: string): boolean { return statSync(path, { throwIfNoEntry: false }) !== undefined }

/** A device node, or every one below a directory. @throws `no-such-device` (invalid-argument) */
export function devicesAt(hostPath: string, path: string, access: string): readonly OciDevice[] {
  const stat = statSync(hostPath, { throwIfNoEntry: false })
  if (stat === undefined) throw noSuchDevice(hostPath, 'no such file or directory')
  if (stat.isDirectory()) return nodesBelow(hostPath, path, access)
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) throw noSuchDevice(hostPath, 'not a device node')
  return [{ path, type: stat.isBlockDevice() ? 'b' : 'c', ...deviceNumbers(stat.rdev), fileMode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid, access }]
}

/** What is no device is left out, and so is what the runtime makes. */
function nodesBelow(hostPath: string, path: string, access: string): readonly OciDevice[] {
  return readdirSync(hostPath).map(name => [join(hostPath, name), join(path, name)] as const).filter(([from]) => !RUNTIME_OWN.test(from)).flatMap(([from, to]) => {
    const stat = lstatSync(from)
    return stat.isDirectory() || stat.isCharacterDevice() || stat.isBlockDevice() ? devicesAt(from, to, access) : []
  })
}

function hostDevices(): readonly OciDevice[] { return nodesBelow('/dev', '/dev', 'rwm') }

function noSuchDevice(path: string, reason: string): ShoalError {
  return new ShoalError('invalid-argument', 'no-such-device', `error gathering device information while adding custom device "${path}": ${reason}`)
}

const THROTTLES = {
  throttleReadBpsDevice: 'BlkioDeviceReadBps', throttleWriteBpsDevice: 'BlkioDeviceWriteBps', throttleReadIOPSDevice: 'BlkioDeviceReadIOps', throttleWriteIOPSDevice: 'BlkioDeviceWriteIOps',
} as const

/** --device-read-bps and its like, by the runtime specification's names. @throws `no-such-device` (invalid-argument) */
export function throttlesOf(host: HostConfig): Readonly<Record<string, readonly OciThrottle[]>> {
  const lists = Object.entries(THROTTLES).map(([name, key]) => [name, (host[key] ?? []).map(({ Path: path = '', Rate: rate = 0 }) => ({ ...numbersOf(path), rate }))] as const)
  return Object.fromEntries(lists.filter(([, list]) => list.length > 0))
}

/** --blkio-weight-device. @throws `no-such-device` (invalid-argument) */
export function deviceWeightsOf(host: HostConfig): readonly { readonly major: number; readonly minor: number; readonly weight: number }[] {
  return (host.BlkioWeightDevice ?? []).map(({ Path: path = '', Weight: weight = 0 }) => ({ ...numbersOf(path), weight }))
}

function numbersOf(path: string): { readonly major: number; readonly minor: number } {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw new ShoalError('invalid-argument', 'no-such-device', `stat ${path}: no such file or directory`)
  return deviceNumbers(stat.rdev)
}

/** dev_t of Linux: 12 bits of the minor number are split around the major. */
export function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) }
}
