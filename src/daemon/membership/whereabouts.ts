import type { ContactAnswer } from '../../api/swarm/control.ts'
import { MANAGER_ADMIN_RPC } from '../../api/codec/methods.ts'
import { ShoalError } from '../../base/errors.ts'
import { parseJoinToken, verifyRootDigest } from '../../ca/join-token.ts'
import { swarmStateError } from '../../http/convert/swarm-state-error.ts'
import { resolveRemote } from '../host-address.ts'
import { fetchRoot, type JoinRequest } from '../join-cluster.ts'
import { withContacts, type SwarmState } from '../swarm-state.ts'
import { stopManager, type OwnMembership } from './own-membership.ts'

/** A host that is not there is known after three seconds. */
const MEET_TIMEOUT_MS = 10_000

/** Where this host and the managers of its cluster are: taken up anew when the host or they move. */
export class Whereabouts {
  readonly #own: OwnMembership

  constructor(own: OwnMembership) { this.#own = own }

  /** Whether this host's manager knows no leader, or this worker has no session. */
  async isCutOff(): Promise<boolean> {
    const membership = this.#own.current
    if (membership === undefined) return false
    return membership.manager === undefined ? !membership.agent.isConnected : (await membership.manager.process.status())?.hasLeader === false
  }

  /** Takes up another address of this host: its manager starts again and tells the others. Tasks go on. */
  async moveTo(state: SwarmState): Promise<void> {
    const own = this.#own
    const membership = own.current
    if (membership === undefined) throw swarmStateError('not-member')
    if (state.advertiseAddress === membership.state.advertiseAddress) return own.remember(state)
    await own.change(async () => {
      const { manager, agent, certificates } = membership
      own.remember(state)
      if (manager !== undefined) {
        await stopManager(manager)
        membership.manager = own.managers.start(membership.state, certificates)
      }
      await agent.useManagers(membership.state.managers.map(({ addr }) => addr))
    }, { inside: true })
  }

  /** Looks for managers of this host's cluster at these addresses too, from now on: where the log or this worker's memory says there may be none any more. */
  async meetManagers(addresses: readonly string[]): Promise<readonly ContactAnswer[]> {
    const membership = this.#own.current
    if (membership === undefined) throw swarmStateError('not-member')
    if (addresses.length === 0) return []
    const { manager, agent } = membership
    const answers = manager === undefined
      ? addresses.map(addr => ({ addr, nodeId: '', error: '' }))
      : (await manager.process.client.unary(MANAGER_ADMIN_RPC.meetManagers, { addrs: addresses }, { timeoutMs: MEET_TIMEOUT_MS })).answers
    this.#own.remember(withContacts(membership.state, answers))
    const found = answers.filter(({ error }) => error === '').map(({ addr }) => addr)
    if (!agent.isConnected && found.length > 0) await agent.useManagers(manager === undefined ? found : [membership.state.advertiseAddress, ...found])
    return answers
  }

  /** Whether the token is of the cluster of this worker, which has no session: in any other case it has to leave before it joins, as in Docker. */
  canRejoin(token: string): boolean {
    const membership = this.#own.current
    if (membership === undefined || membership.state.role !== 'worker' || membership.agent.isConnected) return false
    try {
      verifyRootDigest(membership.certificates.rootPem, parseJoinToken(token))
      return true
    } catch (error) {
      if (error instanceof ShoalError) return false
      throw error
    }
  }

  /** Goes to the managers at the remote addresses as the node this is, with its tasks. Waits for the session. */
  async rejoin({ remoteAddresses, token }: JoinRequest): Promise<void> {
    const own = this.#own
    await own.change(async () => {
      const addresses = await Promise.all(remoteAddresses.map(resolveRemote))
      const [address] = addresses
      const membership = own.current
      if (membership === undefined || address === undefined) throw new ShoalError('invalid-argument', 'bad-address', 'at least 1 RemoteAddr is required to join')
      await fetchRoot(address, token, own.parts.clock)
      own.remember({ ...membership.state, managers: addresses.map(addr => ({ nodeId: '', addr })) })
      await membership.agent.useManagers(addresses)
      await own.untilJoined()
    }, { inside: true })
  }
}
