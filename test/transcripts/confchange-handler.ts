import { EMPTY_CONFIG } from 'raft-ts/cluster-config'
import { changeSimple, ConfChangeError, enterJoint, leaveJoint } from 'raft-ts/confchange'
import { describeConfig, describeMembers } from 'raft-ts/describe'
import type { ConfChangeSingle, ConfChangeType } from 'raft-ts/message'
import type { Membership } from 'raft-ts/tracker'
import type { Block } from './datadriven.ts'

const TYPES: Readonly<Record<string, ConfChangeType>> = { v: 'add-node', l: 'add-learner-node', r: 'remove-node', u: 'update-node' }

/** "v1 l2 r3 u4" as changes. */
export function parseChanges(text: string): ConfChangeSingle[] {
  return text.split(/\s+/).filter(token => token !== '').map(token => {
    const type = TYPES[token[0] as string]
    const nodeId = Number(token.slice(1))
    if (type === undefined || !Number.isInteger(nodeId)) throw new Error(`unknown input: ${token}`)
    return { type, nodeId }
  })
}

/** Runs `simple`, `enter-joint` and `leave-joint`, each on what the one before left; the log grows by one entry per block. */
export function createConfChangeHandler(): (block: Block) => string {
  let membership: Membership = { config: EMPTY_CONFIG, progress: new Map() }
  let lastIndex = 0
  return block => {
    const context = { lastIndex: lastIndex++, limits: { maxInflightMessages: 10, maxInflightBytes: Infinity } }
    try {
      const changes = parseChanges(block.input)
      if (block.command === 'simple') membership = changeSimple(membership, changes, context)
      else if (block.command === 'leave-joint') membership = leaveJoint(membership)
      else if (block.command === 'enter-joint') membership = enterJoint(membership, changes, { ...context, autoLeave: block.args[0]?.values[0] === 'true' })
      else return 'unknown command'
      return `${describeConfig(membership.config)}\n${describeMembers(membership.progress)}`
    } catch (error) {
      if (error instanceof ConfChangeError) return error.message
      throw error
    }
  }
}
