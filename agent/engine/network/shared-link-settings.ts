import type { NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { DriverOptions } from './driver-option.ts'
import type { NetworkRecord, SharedLinkSettings } from './network-records.ts'
import { requestedSubnets, type Surroundings } from './subnet-request.ts'

const MACVLAN_MODES = ['bridge', 'private', 'vepa', 'passthru']
const IPVLAN_MODES = ['l2', 'l3', 'l3s']
const IPVLAN_FLAGS = ['bridge', 'private', 'vepa']

/**
 * The settings of a new macvlan or ipvlan network. Pure.
 * @param surroundings.links names of the host's links
 * @throws `invalid-network`, `parent-in-use` (permission-denied), and those of requestedSubnets()
 */
export function sharedLinkSettings(request: NetworkCreateRequest, id: string, surroundings: Surroundings & { readonly links: readonly string[]; readonly records: readonly NetworkRecord[] }): SharedLinkSettings {
  const driver = request.Driver === 'ipvlan' ? 'ipvlan' : 'macvlan'
  const options = new DriverOptions(request.Options ?? {})
  const asked = options.text('parent')
  const parent = asked === '' ? `dm-${id.slice(0, 12)}` : asked
  const isThere = surroundings.links.includes(parent)
  if (asked !== '' && !isThere) checkVlan(asked, surroundings.links)
  const mode = modeOf(driver, options)
  checkParent(parent, driver, surroundings.records)
  const mtu = options.integer('com.docker.network.driver.mtu', 0)
  return {
    parent, isParentOurs: !isThere, mode, flag: driver === 'ipvlan' ? oneOf(options.text('ipvlan_flag'), IPVLAN_FLAGS, 'bridge', flag => `requested ipvlan flag '${flag}' is not valid, 'bridge' mode is the ipvlan driver default`) : '',
    mtu: mtu === 0 ? undefined : mtu, subnets: requestedSubnets(request, surroundings),
  }
}

function modeOf(driver: 'macvlan' | 'ipvlan', options: DriverOptions): string {
  return driver === 'macvlan'
    ? oneOf(options.text('macvlan_mode'), MACVLAN_MODES, 'bridge', mode => `requested macvlan mode '${mode}' is not valid, 'bridge' mode is the macvlan driver default`)
    : oneOf(options.text('ipvlan_mode'), IPVLAN_MODES, 'l2', mode => `requested ipvlan mode '${mode}' is not valid, 'l2' mode is the ipvlan driver default`)
}

function oneOf(text: string, known: readonly string[], fallback: string, refusal: (text: string) => string): string {
  if (text === '') return fallback
  if (!known.includes(text)) throw new ShoalError('invalid-argument', 'invalid-network', refusal(text))
  return text
}

/** A link that is not there can only be a VLAN of one that is. */
function checkVlan(parent: string, links: readonly string[]): void {
  const [, base = '', id = ''] = /^(.+)\.(\d+)$/.exec(parent) ?? []
  if (base === '') throw new ShoalError('invalid-argument', 'invalid-network', `invalid subinterface vlan name ${parent}, example formatting is eth0.10`)
  if (Number(id) < 1 || Number(id) > 4094) throw new ShoalError('invalid-argument', 'invalid-network', `vlan id must be between 1-4094, received: ${id}`)
  if (!links.includes(base)) throw new ShoalError('invalid-argument', 'invalid-network', `failed to find master interface ${base} on the host: Link not found`)
}

/** Docker lets one network of a driver have a parent. */
function checkParent(parent: string, driver: string, records: readonly NetworkRecord[]): void {
  const other = records.find(record => record.driver === driver && record.shared?.parent === parent)
  if (other !== undefined) throw new ShoalError('permission-denied', 'parent-in-use', `network dm-${other.id.slice(0, 12)} is already using parent interface ${parent}`)
}
