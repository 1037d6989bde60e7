/**
 * `npm run bench:raft -- [--only puts,join,steady,flapping] [--nodes 1,3] [--clients 1,64] [--rounds 15] [--seconds 1] [--folder /var/tmp] [--profile FOLDER] [--megabytes 500] [--rate 1000] [--minutes 10]`:
 * consensus beside etcd, in turn, on this machine; a manager that joins a large state; a steady load; a follower that comes and goes.
 * `--minutes` is 10 for the steady load and 5 for the follower if it is not given.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureFlapping } from './flapping.ts'
import { measureJoin } from './join.ts'
import { comparePuts, type Figures, type PutLine } from './puts.ts'
import { measureSteady } from './steady.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'puts' }, nodes: { type: 'string', default: '1,3' }, clients: { type: 'string', default: '1,64' }, rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '1' }, folder: { type: 'string', default: '/var/tmp' }, profile: { type: 'string' }, megabytes: { type: 'string', default: '500' }, rate: { type: 'string', default: '1000' }, minutes: { type: 'string' },
  },
})
const folder = mkdtempSync(join(values.folder, 'shoal-bench-raft-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const numbers = (text: string): readonly number[] => text.split(',').map(Number)

const METHOD = `Method: 256-byte values over 1,024 keys, closed loop (a client sends its next put when the last is answered), all clients of a side over one connection to its leader,
from one process of Node. Its client for both sides is made of nothing but the frames it takes (HTTP/2's for etcd, a link's for shoal: lean-caller.ts, lean-calls.ts), so that servers are measured and not clients. Both clusters are up, one works at a time,
in turn; after a first run of 15 s of both with each number of clients, and 0.25 s before each measurement. Of the rounds the median counts; the ratios are medians of each round's, since
what a machine does in a second changes by the minute. Both flush their logs before they answer (fdatasync), and have mutual TLS between their nodes and none towards the client.
etcd: Debian's etcd-server, defaults, KV/Put, a unary call each. shoal: manager processes as the daemon starts them, log and state sealed; a put is Control/Update
of a config's label over the leader's Unix socket, on one link as daemons call (D-682, D-707): checked, versioned, committed by a majority's disks, applied, and answered with the whole object.`

function format({ nodes, clients, shoal, etcd, ratio }: PutLine): string {
  const side = ({ rate, p50, p99 }: Figures): string => `${rate.toFixed(0).padStart(8)}${p50.toFixed(2).padStart(9)}${p99.toFixed(1).padStart(8)}`
  return `${String(nodes).padStart(5)}${String(clients).padStart(8)}  |${side(shoal)}  |${side(etcd)}  |${ratio.rate.toFixed(2).padStart(6)}${ratio.p50.toFixed(2).padStart(6)}${ratio.p99.toFixed(2).padStart(6)}`
}

const chosen = values.only.split(',')
if (chosen.includes('puts')) {
  const lines = await comparePuts({ nodes: numbers(values.nodes), clients: numbers(values.clients), rounds: Number(values.rounds), measureMs: Number(values.seconds) * 1000, folder, profile: values.profile })
  const head = `nodes clients  |${'shoal/s'.padStart(8)}${'p50 ms'.padStart(9)}${'p99'.padStart(8)}  |${'etcd/s'.padStart(8)}${'p50 ms'.padStart(9)}${'p99'.padStart(8)}  |  rate   p50   p99`
  process.stdout.write(`${METHOD}\n\n${head}\n${lines.map(format).join('\n')}\n`)
}
if (chosen.includes('join')) process.stdout.write(`${(await measureJoin(folder, Number(values.megabytes) * 1_000_000)).join('\n')}\n`)
if (chosen.includes('steady')) process.stdout.write(`${(await measureSteady(folder, { rate: Number(values.rate), durationMs: Number(values.minutes ?? 10) * 60_000 })).join('\n')}\n`)
if (chosen.includes('flapping')) process.stdout.write(`${(await measureFlapping(folder, { durationMs: Number(values.minutes ?? 5) * 60_000 })).join('\n')}\n`)
