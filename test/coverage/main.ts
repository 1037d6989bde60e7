/** node dist/test/coverage/main.js [--update]: says which flags and operations are not proved; --update writes the first proof found of each into the tables. */
import { CommandLineReader } from './command-line.ts'
import { allProofs, flagProofs, operationProofs } from './proofs.ts'
import { readTable, writeTable, type CommandRow, type FlagRow, type OperationRow } from './table.ts'

const flags = readTable<FlagRow>('flags')
const operations = readTable<OperationRow>('operations')
const proofs = allProofs()
const reader = new CommandLineReader(readTable<CommandRow>('commands'), flags)
const used = flagProofs(proofs, reader)

/** A proof that still is one stays. */
function proved<Row extends FlagRow | OperationRow>(row: Row, names: readonly string[]): Row {
  if (row.status === 'refused' || names.includes(row.proof)) return row
  return { ...row, status: names[0] === undefined ? 'open' : 'works', proof: names[0] ?? '' }
}

const provedFlags = flags.map(row => proved(row, used.get(`${row.command} ${row.flag}`) ?? []))
const provedOperations = operations.map(row => proved(row, operationProofs(proofs, row, reader)))
if (process.argv.includes('--update')) {
  writeTable('flags', provedFlags)
  writeTable('operations', provedOperations)
}
for (const row of provedFlags) if (row.proof === '') console.log(`${row.command} ${row.flag}`)
for (const row of provedOperations) if (row.proof === '') console.log(`${row.method} ${row.path}`)
console.log(`${flags.length} flags: ${provedFlags.filter(row => row.status === 'works' && row.proof !== '').length} proved, ${flags.filter(row => row.status === 'refused').length} refused`)
console.log(`${operations.length} operations: ${provedOperations.filter(row => row.status === 'works' && row.proof !== '').length} proved, ${operations.filter(row => row.status === 'refused').length} refused`)
