import type { ConfChange } from 'raft-ts/message'
import type { RawNodeConfig } from 'raft-ts/raft-config'
import { RaftError } from 'raft-ts/storage'
import { parseChanges } from './confchange-handler.ts'
import type { Argument, Block } from './datadriven.ts'
import { ELECTION_TICKS, HEARTBEAT_TICKS, InteractionEnv } from './interaction-env.ts'

type Handler = (env: InteractionEnv, block: Block) => void

/** Answers the commands of interaction transcripts; all blocks of a file share one environment. */
export function createInteractionHandler(): (block: Block) => string {
  const env = new InteractionEnv()
  return block => {
    const handler = HANDLERS[block.command]
    if (handler === undefined) return 'unknown command'
    try {
      handler(env, block)
    } catch (error) {
      if (!(error instanceof RaftError)) throw error
      if (env.output.isQuiet) return error.message
      env.output.print(error.message)
    }
    return env.output.take()
  }
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  'add-nodes': addNodes,
  'campaign': (env, block) => env.node(firstId(block)).campaign(),
  'compact': (env, block) => env.compact(firstId(block), Number(block.args[1]?.key)),
  'deliver-msgs': deliver,
  'process-ready': (env, block) => forEach(env, block, 'handling Ready', id => env.processReady(id)),
  'process-append-thread': (env, block) => forEach(env, block, 'processing append thread', id => env.processAppendThread(id)),
  'process-apply-thread': (env, block) => forEach(env, block, 'processing apply thread', id => env.processApplyThread(id)),
  'log-level': (env, block) => env.output.setLevel(block.args[0]?.key ?? ''),
  'raft-log': (env, block) => env.printLog(firstId(block)),
  'raft-state': env => env.printStates(),
  'set-randomized-election-timeout': (env, block) => env.node(firstId(block)).raft.setRandomizedElectionTicks(Number(valueOf(block, 'timeout'))),
  'stabilize': stabilize,
  'status': (env, block) => env.printStatus(firstId(block)),
  'tick-election': (env, block) => tick(env, block, ELECTION_TICKS),
  'tick-heartbeat': (env, block) => tick(env, block, HEARTBEAT_TICKS),
  'transfer-leadership': (env, block) => env.node(Number(valueOf(block, 'from'))).transferLeader(Number(valueOf(block, 'to'))),
  'forget-leader': (env, block) => env.node(firstId(block)).forgetLeader(),
  'send-snapshot': (env, block) => env.sendSnapshot(idsOf(block)[0] ?? 0, idsOf(block)[1] ?? 0),
  'propose': (env, block) => env.node(firstId(block)).propose(new TextEncoder().encode(block.args[1]?.key ?? '')),
  'propose-conf-change': proposeConfChange,
  'report-unreachable': (env, block) => env.node(firstId(block)).reportUnreachable(idsOf(block)[1] ?? 0),
}

/** Whether an interaction transcript may begin with this. */
export function isInteractionCommand(command: string): boolean { return Object.hasOwn(HANDLERS, command) }

function addNodes(env: InteractionEnv, block: Block): void {
  const numbers = (key: string): number[] => (block.args.find(arg => arg.key === key)?.values ?? []).map(Number)
  const isTrue = (key: string): boolean => valueOf(block, key) === 'true'
  const config: Partial<RawNodeConfig> = {
    asyncStorageWrites: isTrue('async-storage-writes'), preVote: isTrue('prevote'), checkQuorum: isTrue('checkquorum'),
    disableConfChangeValidation: isTrue('disable-conf-change-validation'), stepDownOnRemoval: isTrue('step-down-on-removal'),
    readOnly: valueOf(block, 'read-only') === 'lease-based' ? 'lease-based' : 'safe',
    ...optional('maxInflightMessages', valueOf(block, 'inflight')), ...optional('maxCommittedBytesPerReady', valueOf(block, 'max-committed-size-per-ready')),
    ...optional('applied', valueOf(block, 'index')),
  }
  const confState = { voters: numbers('voters'), learners: numbers('learners'), votersOutgoing: [], learnersNext: [], autoLeave: false }
  const index = Number(valueOf(block, 'index') ?? 0)
  const isBootstrapped = index > 0 || confState.voters.length > 0 || confState.learners.length > 0
  const data = new TextEncoder().encode(valueOf(block, 'content') ?? '')
  env.addNodes(firstId(block), config, isBootstrapped ? { metadata: { index, term: 1, confState }, data } : undefined)
}

function deliver(env: InteractionEnv, block: Block): void {
  const dropped = (block.args.find(arg => arg.key === 'drop')?.values ?? []).map(id => ({ id: Number(id), drop: true }))
  const count = env.deliver([...idsOf(block).map(id => ({ id, drop: false })), ...dropped], valueOf(block, 'type'))
  if (count === 0) env.output.print('no messages')
}

function stabilize(env: InteractionEnv, block: Block): void {
  const level = env.output.level
  const wanted = valueOf(block, 'log-level')
  if (wanted !== undefined) env.output.setLevel(wanted)
  const ids = idsOf(block)
  env.stabilize(ids.length > 0 ? ids : env.ids)
  env.output.setLevel(level)
}

function proposeConfChange(env: InteractionEnv, block: Block): void {
  const transitions: Readonly<Record<string, ConfChange['transition']>> = { auto: 'auto', implicit: 'joint-implicit', explicit: 'joint-explicit' }
  const transition = transitions[valueOf(block, 'transition') ?? 'auto']
  if (transition === undefined) throw new Error(`unknown transition in line ${block.line}`)
  const change = { transition, changes: parseChanges(block.input) }
  env.node(firstId(block)).proposeConfChange(change, valueOf(block, 'v1') === 'true' ? 'conf-change' : 'conf-change-v2')
}

function tick(env: InteractionEnv, block: Block, count: number): void {
  for (let i = 0; i < count; i++) env.node(firstId(block)).tick()
}

function forEach(env: InteractionEnv, block: Block, what: string, work: (id: number) => void): void {
  const ids = idsOf(block)
  for (const id of ids) {
    if (ids.length === 1) {
      work(id)
    } else {
      env.output.print(`> ${id} ${what}`)
      env.output.indented(() => work(id))
    }
  }
}

function firstId(block: Block): number { return Number(block.args[0]?.key) }
function idsOf(block: Block): number[] { return block.args.filter(arg => arg.values.length === 0).map(arg => Number(arg.key)) }
function valueOf(block: Block, key: string): string | undefined { return block.args.find((arg: Argument) => arg.key === key)?.values[0] }
function optional(key: string, value: string | undefined): Partial<RawNodeConfig> { return value === undefined ? {} : { [key]: Number(value) } }
