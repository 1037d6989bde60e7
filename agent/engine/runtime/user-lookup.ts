import { ShoalError } from '../../../src/base/errors.ts'
import type { OciUser } from './oci-spec.ts'

export interface AccountFiles { readonly passwd: string; readonly group: string }
export interface LookedUpUser extends OciUser { readonly home: string }

/**
 * Config.User ("", "name", "uid", "user:group") looked up in the image's own account files. Supplementary groups are the user's, unless a group is given;
 * `extraGroups` (--group-add) always count.
 * @throws `unknown-user` (invalid-argument)
 */
export function lookUpUser(user: string, extraGroups: readonly string[], files: AccountFiles): LookedUpUser {
  const accounts = rows(files.passwd)
  const groups = rows(files.group)
  const [asked = '', groupName] = user.split(':')
  const name = asked === '' ? '0' : asked
  const account = accounts.find(row => row[0] === name) ?? accounts.find(row => row[2] === name)
  const uid = account === undefined ? numeric(name, 'unable to find user', 'passwd') : Number(account[2])
  const gid = groupName === undefined || groupName === '' ? Number(account?.[3] ?? 0) : groupId(groupName, groups)
  const own = groupName === undefined && account !== undefined ? groups.filter(row => (row[3] ?? '').split(',').includes(account[0] ?? '')).map(row => Number(row[2])) : []
  const additional = [...new Set([gid, ...own, ...extraGroups.map(group => groupId(group, groups, 'Unable'))])]
  return { uid, gid, additionalGids: additional, home: account?.[5] !== undefined && account[5] !== '' ? account[5] : '/' }
}

function groupId(name: string, groups: readonly (readonly string[])[], unable = 'unable'): number {
  const row = groups.find(group => group[0] === name)
  return row === undefined ? numeric(name, `${unable} to find group`, 'group') : Number(row[2])
}

function numeric(name: string, failure: string, file: string): number {
  if (/^\d{1,10}$/.test(name) && Number(name) <= 0x7fffffff) return Number(name)
  if (/^-?\d+$/.test(name)) throw new ShoalError('invalid-argument', 'unknown-user', 'uids and gids must be in range 0-2147483647')
  throw new ShoalError('invalid-argument', 'unknown-user', `${failure} ${name}: no matching entries in ${file} file`)
}

function rows(text: string): readonly (readonly string[])[] {
  return text.split('\n').filter(line => line.includes(':') && !line.startsWith('#')).map(line => line.trim().split(':'))
}
