import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CommandLineReader } from './command-line.ts'
import { allProofs, flagProofs, isRequestOf, LIVE, operationProofs } from './proofs.ts'
import { commandLinesIn } from './source-lines.ts'
import { readTable, type CommandRow, type FlagRow, type OperationRow } from './table.ts'

const flags = readTable<FlagRow>('flags')
const operations = readTable<OperationRow>('operations')
const reader = new CommandLineReader(readTable<CommandRow>('commands'), flags)
const proofs = allProofs()
const errorCodes = new Set(['src', 'manager', 'agent'].flatMap(folder => [...readFileSync(`${folder}/errors.md`, 'utf8').matchAll(/^\| ([a-z0-9-]+) \|/gm)].map(match => match[1])))

/** What the inventory of docker CLI 28.2.2 and API 1.50 has. */
const INVENTORY = { flags: 405, operations: 77 }
const WORKING_SHARE_MIN = 0.95
/** Of these areas every operation works. */
const WHOLE_AREAS = ['container', 'image', 'network', 'volume', 'exec', 'system']

test('the tables name every flag and every operation of the inventory once', () => {
  assert.equal(new Set(flags.map(row => `${row.command} ${row.flag}`)).size, INVENTORY.flags)
  assert.equal(new Set(operations.map(row => `${row.method} ${row.path}`)).size, INVENTORY.operations)
  assert.equal(flags.length, INVENTORY.flags)
  assert.equal(operations.length, INVENTORY.operations)
})

test('each flag that works is used by the scenario or test that proves it', () => {
  const used = flagProofs(proofs, reader)
  assert.deepEqual(flags.filter(row => row.status === 'works' && !(used.get(`${row.command} ${row.flag}`) ?? []).includes(row.proof)).map(row => `${row.command} ${row.flag}: ${row.proof === '' ? 'no proof' : row.proof}`), [])
})

test('each operation that works is asked for by the test that proves it', () => {
  assert.deepEqual(operations.filter(row => row.status === 'works' && row.proof !== LIVE && !operationProofs(proofs, row, reader).includes(row.proof)).map(row => `${row.method} ${row.path}: ${row.proof === '' ? 'no proof' : row.proof}`), [])
})

test('what is refused is refused with a documented error', () => {
  for (const row of [...flags, ...operations]) if (row.status === 'refused') assert.ok(errorCodes.has(row.proof), `${'flag' in row ? `${row.command} ${row.flag}` : `${row.method} ${row.path}`}: ${row.proof} is in no errors.md`)
})

/** Rows that are neither proved nor refused yet. */
const OPEN_MAX = { flags: 0, operations: 0 }

test('no more is open than was', () => {
  assert.ok(flags.filter(row => row.status === 'open').length <= OPEN_MAX.flags)
  assert.ok(operations.filter(row => row.status === 'open').length <= OPEN_MAX.operations)
})

test('enough works', t => {
  const works = flags.filter(row => row.status === 'works').length
  const open = flags.filter(row => row.status === 'open').length
  t.diagnostic(`${flags.length} flags: ${works} works, ${flags.length - works - open} refused, ${open} open`)
  t.diagnostic(`${operations.length} operations: ${operations.filter(row => row.status === 'works').length} works, ${operations.filter(row => row.status === 'refused').length} refused`)
  assert.ok(works + open >= WORKING_SHARE_MIN * flags.length)
  assert.deepEqual(operations.filter(row => row.status === 'refused' && WHOLE_AREAS.includes(row.area) && !/buildkit|checkpoint/i.test(row.path)).map(row => `${row.method} ${row.path}`), [])
})

test('command lines are read as the docker CLI reads them', () => {
  assert.deepEqual(reader.read(['run', '-dit', '--name', 'x', '-p80:80', '-e', 'A=1', 'busybox', 'ls', '--all'])?.used.map(({ flag }) => flag), ['--detach', '--interactive', '--tty', '--name', '--publish', '--env'])
  assert.deepEqual(reader.read(['--host', 'unix:///x', 'ps', '-a', '--filter=name=x']), { command: 'docker container ls', used: [{ command: 'docker', flag: '--host' }, { command: 'docker container ls', flag: '--all' }, { command: 'docker container ls', flag: '--filter' }] })
  assert.deepEqual(reader.read(['rm', 'x', '-f'])?.used, [{ command: 'docker container rm', flag: '--force' }])
  assert.equal(reader.read(['nosuch']), undefined)
})

test('command lines are found in the source of a test', () => {
  assert.deepEqual(commandLinesIn("await lab.ok(1, 'run', '-d', `--name=${name}`, f('x')); ok('pull -q x')"), [['run', '-d', '--name=${name}', 'x'], ['pull', '-q', 'x']])
})

test('requests belong to their operations', () => {
  assert.ok(isRequestOf('GET /containers/~c/json', { method: 'GET', path: '/containers/{id}/json' }))
  assert.ok(!isRequestOf('GET /containers/json', { method: 'GET', path: '/containers/{id}/json' }))
  assert.ok(isRequestOf('GET /images/a/b:c/json', { method: 'GET', path: '/images/{name}/json' }))
})
