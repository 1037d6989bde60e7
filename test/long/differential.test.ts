/** The same command lines of the stock CLI against Debian's dockerd and against Shoal: exit status, output and error texts must be the same. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lab, run, type Output } from '../support/lab.ts'
import { Peer } from '../support/peer.ts'
import { CASES, DIFFERENCES, type Case } from './differential-cases.ts'

const UNTIL_MS = 30_000
/** What dockerd 20.10 speaks; a newer CLI then formats both answers alike. */
const API = { DOCKER_API_VERSION: '1.41' }

let lab: Lab
let peer: Peer
before(async () => { [lab, peer] = await Promise.all([Lab.up('shoallongdiff', 1), Peer.up('shoallongpeer')]) })
after(async () => { await Promise.all([lab?.[Symbol.asyncDispose](), peer?.[Symbol.asyncDispose]()]) })

for (const [index, each] of CASES.entries()) {
  test(`${index + 1}: docker ${each.args.join(' ')}`, async () => {
    const env = { DOCKER_API_VERSION: API.DOCKER_API_VERSION, DOCKER_CLI_HINTS: 'false' }
    const [theirs, ours] = await Promise.all([ask(each, peer.socket, env), ask(each, lab.socket(1), env)])
    const reason = DIFFERENCES.find(([command]) => command === each.args.join(' '))?.[1]
    if (reason === undefined) assert.deepEqual(ours, theirs)
    else assert.notDeepEqual(ours, theirs, `no longer differs: remove it from the table (${reason})`)
  })
}

interface Answer { readonly status: number; readonly stdout: string; readonly stderr: string }

async function ask(each: Case, socket: string, env: Readonly<Record<string, string>>): Promise<Answer> {
  const endMs = performance.now() + UNTIL_MS
  for (;;) {
    const answer = normalise(await run('docker', each.args, { ...(each.input === undefined ? {} : { input: each.input }), env: { ...env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: '/nonexistent' } }))
    if (each.until === undefined || each.until.test(answer.stdout) || performance.now() > endMs) return answer
    await sleep(200)
  }
}

/** Takes out what two runs of the same daemon would not agree on. */
function normalise({ status, stdout, stderr }: Output): Answer { return { status, stdout: plain(stdout), stderr: plain(stderr) } }

function plain(text: string): string {
  return text.replace(/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, '<token>').replace(/sha256:[0-9a-f]{64}/g, '<digest>').replace(/\b[0-9a-f]{64}\b/g, '<hex>').replace(/\b[0-9a-f]{12}\b/g, '<short>')
    .replace(/\b[0-9a-z]{25}\b/g, '<id>').replace(/\b\d{4}-\d\d-\d\d[T ][0-9:.]+(Z| \+0000 utc)/gi, '<time>')
    .replace(/(About |Less than )?(an?|\d+) (second|minute)s? ago/g, '<ago>').split('\n').map(line => line.trimEnd()).join('\n').trim()
}
