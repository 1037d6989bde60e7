/**
 * 100,000 requests that are wrong in many ways, against a real daemon: it does not crash, leaks nothing, and says of each what is wrong with it.
 * FUZZ_SEED repeats a run, FUZZ_REQUESTS changes how many.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test, type TestContext } from 'node:test'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { eventually, Lab, run } from '../support/lab.ts'
import { Caller, type Answered, type Unanswered } from './fuzz/caller.ts'
import { FIXTURE, readOperations, RequestMaker, type FuzzedRequest, type Operation } from './fuzz/request-maker.ts'
import { tracesOf, type Traces } from './fuzz/traces.ts'
import { wireGarbage } from './fuzz/wire-garbage.ts'

const NAME = 'shoallongfuzz'
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 100_000)
const SWARM_SHARE = 0.1
/** These want a manager. */
const SWARM = /^\/(swarm|nodes|services|tasks|secrets|configs)/
/** These may wait for another machine: the client leaves. */
const OUTBOUND = /^\/(auth|distribution|images\/create|images\/\{name\}\/push|images\/search|plugins)/
const LEAVE_MS = 300
/** What comes before the first look: it fills caches. */
const WARM_SHARE = 0.1
const WIRE_SHARE = 0.04
const CONCURRENCY = 12
/** How often the fixture is looked after, in requests. */
const FIXTURE_EVERY = 500
const WIRE_PATIENCE_MS = 150
const LOG_SHOWN = 6_000
const SETTLE_MS = 30_000
/** Of what is in use after a full collection; the first, shorter storm has filled the caches. Seen: 23 MiB when new, 32 to 38 at any time after. */
const HEAP_GROWTH_MAX_MIB = 16
/** Of all memory. That is no measure of a leak: the allocator keeps what one burst of large requests needed (of 197 MiB in its arena, 8 were in use after 60,000 requests). It bounds the bursts. */
const GROWTH_MAX_MIB = 256
const DESCRIPTORS_GROWTH_MAX = 8
/** 5xx answers that are right, each whole: what Shoal leaves out, what is not in this state, and what another machine did not answer. */
const DOCUMENTED: readonly (readonly [status: number, message: RegExp, why: string])[] = [
  [501, /^[^\n]+ (is|are) not supported by shoal([:;] [^\n]+)?$/, 'left out of the product, as the README says; nothing that the client could change makes it work'],
  [503, /^This node is not a swarm manager\. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again\.$/, "dockerd's answer outside a swarm"],
  [503, /^This node is already part of a swarm\. Use "docker swarm leave" to leave this swarm and join another one\.$/, "dockerd's answer to a second init or join"],
  [503, /^This node is not a swarm manager\. Manager is being prepared or has trouble connecting to the cluster\.$/, "dockerd's answer while a manager starts or ends"],
  [503, /^This node is joining or leaving a swarm right now\. Wait until that is done and try again\.$/, 'two changes of the membership at once: the second may be repeated'],
  [503, /^volume update only valid for cluster volumes, but swarm is unavailable$/, "dockerd's answer outside a swarm"],
  [500, /^(Get|Post|Head) "https?:\/\/.*": dial tcp:? .*: (no such host|Temporary failure in name resolution|connection refused|network is unreachable)$/s, 'a registry or index that does not answer: no fault of the request, as with dockerd'],
  [500, /^rpc error: code = Unknown desc = update out of sequence$/, "dockerd's answer to a version that is not the object's"],
  [500, /^the name of the registry of \S+ cannot be resolved, and the image here has no digest of it$/, 'a registry that cannot be asked'],
]

let lab: Lab
let caller: Caller
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
before(async () => {
  lab = await Lab.up(NAME, 1)
  caller = new Caller(lab.socket(1))
})
after(async () => {
  caller?.close()
  await lab?.[Symbol.asyncDispose]()
})

test('outside a swarm: no request crashes the daemon, makes it leak, or gets an answer that is none', { timeout: 600_000 }, async t => {
  await survives(t, REQUESTS * (1 - SWARM_SHARE), operation => !SWARM.test(operation.path) || operation.method === 'GET')
})

test('in a swarm: no request crashes the daemon, makes it leak, or gets an answer that is none', { timeout: 600_000 }, async t => {
  await lab.ok(1, 'swarm', 'init', '--advertise-addr', '10.99.0.1')
  await survives(t, REQUESTS * SWARM_SHARE, operation => SWARM.test(operation.path) && operation.path !== '/swarm/leave')
  await lab.ok(1, 'swarm', 'leave', '--force')
})

async function survives(t: TestContext, requests: number, isAsked: (operation: Operation) => boolean): Promise<void> {
  const pid = lab.pid(1, 'daemon')
  t.diagnostic(`seed ${seed}`)
  t.after(() => { if (!isAlive(pid)) t.diagnostic(`the daemon is gone:\n${lab.log(1).slice(-LOG_SHOWN)}`) })
  // Opens the inspector, whose descriptors are there from now on.
  const newHeapMiB = await heapMiB(pid)
  await storm(new SeededRandom(seed), requests * WARM_SHARE, isAsked)
  await clean()
  const first = await settled(pid, undefined)
  const firstHeapMiB = await heapMiB(pid)
  const beganMs = performance.now()
  const faults = await storm(new SeededRandom(seed + 1), requests * (1 - WARM_SHARE), isAsked)
  t.diagnostic(`${requests * (1 - WARM_SHARE)} requests in ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`)
  await clean()
  const last = await settled(pid, first)
  const lastHeapMiB = await heapMiB(pid)
  t.diagnostic(`descriptors ${first.descriptors.length} -> ${last.descriptors.length}, mounts ${first.mounts} -> ${last.mounts}, heap ${newHeapMiB.toFixed(0)} -> ${firstHeapMiB.toFixed(0)} -> ${lastHeapMiB.toFixed(0)} MiB, resident ${first.residentMiB.toFixed(0)} -> ${last.residentMiB.toFixed(0)} MiB`)
  assert.ok(isAlive(pid) && lab.pid(1, 'daemon') === pid)
  assert.deepEqual([...faults.values()].slice(0, 20), [], `seed ${seed}: ${faults.size} kinds of wrong answers`)
  assert.deepEqual({ cgroups: last.cgroups, monitors: last.monitors }, { cgroups: 0, monitors: 0 })
  assert.ok(last.mounts <= first.mounts, `mounts: ${first.mounts} -> ${last.mounts}`)
  assert.ok(last.descriptors.length <= first.descriptors.length + DESCRIPTORS_GROWTH_MAX, `descriptors: ${difference(first.descriptors, last.descriptors)}`)
  assert.ok(lastHeapMiB < firstHeapMiB + HEAP_GROWTH_MAX_MIB, `heap: ${firstHeapMiB} -> ${lastHeapMiB} MiB`)
  assert.ok(last.residentMiB < first.residentMiB + GROWTH_MAX_MIB, `resident: ${first.residentMiB} -> ${last.residentMiB} MiB`)
}

/** @returns what was wrong, by kind */
async function storm(random: SeededRandom, requests: number, isAsked: (operation: Operation) => boolean): Promise<Map<string, string>> {
  const maker = new RequestMaker(random, readOperations().filter(isAsked))
  const faults = new Map<string, string>()
  let ids = await fixture()
  let made = 0
  const worker = async (): Promise<void> => {
    while (made++ < requests) {
      if (made % FIXTURE_EVERY === 0) ids = await fixture()
      if (random.next() < WIRE_SHARE) {
        await caller.raw(wireGarbage(random, ids), WIRE_PATIENCE_MS)
        continue
      }
      const request = maker.next()
      const answer = await caller.call(request.operation.method, request.target, { headers: request.headers, body: request.body, ...(OUTBOUND.test(request.operation.path) ? { leaveMs: LEAVE_MS } : {}) })
      const fault = wrong(request, answer)
      if (fault !== undefined) faults.set(`${request.operation.method} ${request.operation.path} ${typeof answer === 'string' ? answer : answer.status} ${fault.slice(0, 60)}`, `${shortened(fault)} <- ${request.operation.method} ${request.target.slice(0, 200)} ${request.body?.toString().slice(0, 400) ?? ''}`)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return faults
}

function wrong(request: FuzzedRequest, answer: Answered | Unanswered): string | undefined {
  if (answer === 'silent') return 'no answer'
  // With a body that is not read, or a connection that was closed for the request before, the daemon may close without an answer.
  if (answer === 'broken' || answer === 'left') return undefined
  const { status, contentType, body, cut } = answer
  if (request.operation.method === 'HEAD') return status >= 500 ? `status ${status}` : undefined
  if (status >= 400 && !cut) {
    const message = messageOf(body)
    if (typeof message !== 'string' || message === '') return `status ${status} without a message: ${body.slice(0, 200)}`
    if (status >= 500 && !DOCUMENTED.some(([known, words]) => status === known && words.test(message))) return `status ${status}: ${message}`
    if (/TypeError|RangeError|Cannot read prop|is not a function|undefined|assert/i.test(message)) return `status ${status}: ${message}`
    return undefined
  }
  if (status < 400 && !cut && contentType.startsWith('application/json') && body !== '') return body.split(/\r?\n/).every(line => line === '' || isJson(line)) || isJson(body) ? undefined : `not JSON: ${body.slice(0, 200)}`
  return undefined
}

/** Its beginning and its end. */
function shortened(text: string): string { return text.length <= 400 ? text : `${text.slice(0, 200)} … ${text.slice(-200)}` }

function messageOf(body: string): unknown {
  try {
    return (JSON.parse(body) as { message?: unknown }).message
  } catch {
    return undefined
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Makes what the requests mean by its name, when they have removed it. */
async function fixture(): Promise<{ readonly container: string; readonly exec: string }> {
  await caller.json('POST', '/networks/create', { Name: FIXTURE })
  await caller.json('POST', '/volumes/create', { Name: FIXTURE })
  await caller.json('POST', `/images/busybox/tag?repo=${FIXTURE}`)
  await caller.json('POST', `/containers/create?name=${FIXTURE}`, { Image: 'busybox', Cmd: ['sleep', '1000'], StopSignal: 'SIGKILL', OpenStdin: true })
  await caller.json('POST', `/containers/${FIXTURE}/unpause`)
  await caller.json('POST', `/containers/${FIXTURE}/start`)
  const exec = await caller.json('POST', `/containers/${FIXTURE}/exec`, { Cmd: ['cat'], AttachStdin: true, AttachStdout: true })
  return { container: FIXTURE, exec: (exec.body as { Id?: string }).Id ?? 'none' }
}

async function heapMiB(pid: number): Promise<number> {
  const { stdout, stderr } = await run('nsenter', ['-t', String(pid), '-n', process.execPath, new URL('./fuzz/heap-main.js', import.meta.url).pathname, String(pid)])
  assert.match(stdout, /^\d+$/m, stderr)
  return Number(stdout) / 2 ** 20
}

/** Removes all that the requests made. */
async function clean(): Promise<void> {
  const { body: services } = await caller.json('GET', '/services')
  // Outside a swarm the answer is an error.
  if (Array.isArray(services)) for (const { ID } of services as readonly { ID: string }[]) await caller.json('DELETE', `/services/${ID}`)
  const { body: containers } = await caller.json('GET', '/containers/json?all=1')
  for (const { Id } of containers as readonly { Id: string }[]) await caller.json('DELETE', `/containers/${Id}?force=1&v=1`)
  await caller.json('POST', '/networks/prune')
  await caller.json('POST', `/volumes/prune?filters=${encodeURIComponent('{"all":["1"]}')}`)
}

/** The traces when they no longer shrink towards those before. */
async function settled(pid: number, before: Traces | undefined): Promise<Traces> {
  // Connections that are kept are no leak.
  caller.close()
  caller = new Caller(lab.socket(1))
  let last = tracesOf(pid, NAME)
  await eventually('the daemon lets go', SETTLE_MS, async () => {
    const previous = last
    last = tracesOf(pid, NAME)
    if (last.monitors > 0 || last.cgroups > 0 || last.mounts > (before ?? previous).mounts) return undefined
    return (before === undefined ? last.descriptors.length === previous.descriptors.length && last.mounts === previous.mounts : last.descriptors.length <= before.descriptors.length + DESCRIPTORS_GROWTH_MAX) ? true : undefined
  }).catch(() => undefined)
  return last
}

function difference(before: readonly string[], after: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const each of after) counts.set(each, (counts.get(each) ?? 0) + 1)
  for (const each of before) counts.set(each, (counts.get(each) ?? 0) - 1)
  return [...counts].filter(([, count]) => count > 0).map(([name, count]) => `${count} × ${name}`).join(', ')
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
