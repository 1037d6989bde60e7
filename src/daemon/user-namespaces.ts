import { readFileSync } from 'node:fs'
import type { IdMapping, IdRange } from '../../agent/kernel/id-mapping.ts'
import type { KernelProcesses } from '../../agent/kernel/kernel.ts'
import { ShoalError } from '../base/errors.ts'

/** Made for `userns-remap=default`. */
const DEFAULT_USER = 'dockremap'
const SUBORDINATE_COUNT = 65_536
const FIRST_SUBORDINATE = 100_000

export interface UserNamespaceParts {
  readonly processes: Pick<KernelProcesses, 'run'>
  /** Text of a file of the host; "" when it is not there. */
  readonly read: (path: string) => string
}

/**
 * What `userns-remap` asks for: `default`, a user, `user:group`, or numbers of them, whose ranges stand in /etc/subuid and /etc/subgid. Makes the user
 * `dockremap` and its ranges for `default`. Undefined when containers are not mapped.
 * @throws `userns-remap-failed` (invalid-argument), with dockerd's texts
 */
export async function idMapping(setting: string, parts: UserNamespaceParts): Promise<IdMapping | undefined> {
  if (setting === '') return undefined
  const { user, group } = await namesOf(setting, parts)
  // To itself, root is not mapped at all.
  if (user.name === 'root') return undefined
  return { uids: rangesOf('/etc/subuid', user, parts), gids: rangesOf('/etc/subgid', group, parts) }
}

/** Files of this machine. */
export function readHostText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

interface Account { readonly name: string; readonly id: number }

async function namesOf(setting: string, parts: UserNamespaceParts): Promise<{ readonly user: Account; readonly group: Account }> {
  const [userPart = '', groupPart, ...rest] = setting.split(':')
  if (rest.length > 0) throw failed(`Invalid user/group specification in --userns-remap: ${JSON.stringify(setting)}`)
  const wanted = userPart === 'default' ? DEFAULT_USER : userPart
  let user = await findAccount('passwd', wanted, parts)
  if (user === undefined && userPart === 'default') user = await makeDefaultUser(parts)
  if (user === undefined) throw failed(isNumber(userPart) ? `Uid ${userPart} has no entry in /etc/passwd: no matching entries in passwd file` : `Error during uid lookup for ${JSON.stringify(wanted)}: no matching entries in passwd file`)
  const groupName = groupPart ?? wanted
  const group = await findAccount('group', groupName, parts)
  if (group === undefined) throw failed(isNumber(groupName) ? `Gid ${groupName} has no entry in /etc/group: no matching entries in group file` : `Error during ${groupPart === undefined ? 'gid' : 'groupname'} lookup for ${JSON.stringify(groupName)}: no matching entries in group file`)
  return { user, group }
}

/** By name or number, as getent(1) knows it: not all accounts stand in the file. */
async function findAccount(database: 'passwd' | 'group', ref: string, { processes, read }: UserNamespaceParts): Promise<Account | undefined> {
  const find = (text: string): Account | undefined => text.split('\n').map(line => line.split(':')).filter(fields => fields.length > 3)
    .map(([name = '', , id]) => ({ name, id: Number(id) })).find(({ name, id }) => (isNumber(ref) ? id === Number(ref) : name === ref))
  const here = find(read(`/etc/${database}`))
  if (here !== undefined) return here
  const { code, stdout } = await processes.run(['getent', database, ref])
  return code === 0 ? find(stdout.toString()) : undefined
}

/** Lines "name:first:count" or "uid:first:count", one range after the other from 0 on. */
function rangesOf(path: string, { name, id }: Account, { read }: UserNamespaceParts): readonly IdRange[] {
  let container = 0
  const ranges = read(path).split('\n').map(line => line.trim().split(':')).filter(([owner]) => owner === name || owner === String(id)).map(([, first, count]) => {
    const [host, size] = [Number(first), Number(count)]
    if (!Number.isSafeInteger(host) || !Number.isSafeInteger(size) || size <= 0) throw failed(`cannot parse subordinate ids of ${name} in ${path}: ${first}:${count}`)
    const range = { container, host, size }
    container += size
    return range
  })
  if (ranges.length === 0) throw failed(`Can't create ID mappings: No ${path.endsWith('subuid') ? 'subuid' : 'subgid'} ranges found for ${path.endsWith('subuid') ? 'user' : 'group'} ${JSON.stringify(name)}`)
  return ranges
}

async function makeDefaultUser(parts: UserNamespaceParts): Promise<Account> {
  const first = firstFree([parts.read('/etc/subuid'), parts.read('/etc/subgid')])
  const range = `${first}-${first + SUBORDINATE_COUNT - 1}`
  for (const command of [
    ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/bin/false', DEFAULT_USER],
    ['usermod', '--add-subuids', range, '--add-subgids', range, DEFAULT_USER],
  ]) {
    const { code, stderr } = await parts.processes.run(command)
    if (code !== 0) throw failed(`Error during ${JSON.stringify(DEFAULT_USER)} user creation: ${command[0]}: ${stderr.toString().trim()}`)
  }
  const made = await findAccount('passwd', DEFAULT_USER, parts)
  if (made === undefined) throw failed(`Error during ${JSON.stringify(DEFAULT_USER)} user creation: useradd made no such user`)
  return made
}

/** Behind all that is given out. */
function firstFree(texts: readonly string[]): number {
  const ends = texts.flatMap(text => text.split('\n')).map(line => line.split(':')).map(([, first, count]) => Number(first) + Number(count)).filter(Number.isSafeInteger)
  return Math.max(FIRST_SUBORDINATE, ...ends)
}

function isNumber(text: string): boolean { return /^\d+$/.test(text) }

function failed(message: string): ShoalError { return new ShoalError('invalid-argument', 'userns-remap-failed', message) }
