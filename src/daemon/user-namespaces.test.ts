import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idMapping } from './user-namespaces.ts'

/** A host with these files, on which useradd and usermod do what they say. */
function host(files: Record<string, string>) {
  const commands: string[] = []
  const all: Record<string, string> = { '/etc/passwd': 'root:x:0:0::/:/bin/sh\nann:x:1001:1002::/:/bin/sh\n', '/etc/group': 'root:x:0:\nann:x:1002:\nstaff:x:50:\n', ...files }
  const run = async (argv: readonly string[]) => {
    commands.push(argv.join(' '))
    const [command] = argv
    if (command === 'useradd') { all['/etc/passwd'] += 'dockremap:x:998:997::/:/bin/false\n'; all['/etc/group'] += 'dockremap:x:997:\n' }
    if (command === 'usermod') for (const file of ['/etc/subuid', '/etc/subgid']) all[file] = `${all[file] ?? ''}dockremap:${argv[2]?.split('-')[0]}:65536\n`
    const found = command !== 'getent' || argv[2] === 'remote'
    return { code: found ? 0 : 2, stdout: Buffer.from(command === 'getent' && found ? 'remote:x:5000:5000::\n' : ''), stderr: Buffer.alloc(0) }
  }
  return { commands, mapping: (setting: string) => idMapping(setting, { processes: { run }, read: path => all[path] ?? '' }) }
}

const SUBIDS = { '/etc/subuid': 'ann:100000:65536\nann:300000:10\n1001:400000:5\nbob:1:2\n', '/etc/subgid': 'ann:200000:65536\nstaff:7000:100\n' }
const ANN_UIDS = [{ container: 0, host: 100_000, size: 65_536 }, { container: 65_536, host: 300_000, size: 10 }, { container: 65_546, host: 400_000, size: 5 }]
const ANN_GIDS = [{ container: 0, host: 200_000, size: 65_536 }]

test('a user, with a group of the same name or another one, by name or number, has the ranges of /etc/subuid and /etc/subgid', async () => {
  const { mapping } = host(SUBIDS)
  assert.deepEqual(await mapping('ann'), { uids: ANN_UIDS, gids: ANN_GIDS })
  assert.deepEqual(await mapping('1001:1002'), { uids: ANN_UIDS, gids: ANN_GIDS })
  assert.deepEqual(await mapping('ann:staff'), { uids: ANN_UIDS, gids: [{ container: 0, host: 7000, size: 100 }] })
  assert.equal(await mapping(''), undefined)
  assert.equal(await mapping('root'), undefined)
})

test('accounts that stand in no file are asked for', async () => {
  const { mapping } = host({ '/etc/subuid': 'remote:1:2\n', '/etc/subgid': 'remote:3:4\n' })
  assert.deepEqual(await mapping('remote'), { uids: [{ container: 0, host: 1, size: 2 }], gids: [{ container: 0, host: 3, size: 4 }] })
})

test('what cannot be looked up is told in dockerd\'s words', async () => {
  const { mapping } = host(SUBIDS)
  const errors: Record<string, string> = {
    'a:b:c': 'Invalid user/group specification in --userns-remap: "a:b:c"', 'eve': 'Error during uid lookup for "eve": no matching entries in passwd file',
    '77': 'Uid 77 has no entry in /etc/passwd: no matching entries in passwd file', 'ann:eve': 'Error during groupname lookup for "eve": no matching entries in group file',
    '1001': 'Gid 1001 has no entry in /etc/group: no matching entries in group file', 'ann:root': 'Can\'t create ID mappings: No subgid ranges found for group "root"',
  }
  for (const [setting, message] of Object.entries(errors)) await assert.rejects(mapping(setting), { code: 'userns-remap-failed', message }, setting)
})

test('default is dockremap, which is made with a range behind all others, once', async () => {
  const { mapping, commands } = host(SUBIDS)
  const ids = [{ container: 0, host: 400_005, size: 65_536 }]
  assert.deepEqual(await mapping('default'), { uids: ids, gids: ids })
  assert.deepEqual(await mapping('default'), { uids: ids, gids: ids })
  assert.deepEqual(commands.filter(command => !command.startsWith('getent')), ['useradd --system --user-group --no-create-home --shell /bin/false dockremap', 'usermod --add-subuids 400005-465540 --add-subgids 400005-465540 dockremap'])
})
