import type { NetnsPath } from '../netns.ts'
import { deleteGroupRequest, deleteLinkRequest, groupRequest } from './link-messages.ts'
import { netlinkFailure, NetlinkSocket } from './netlink-socket.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'

const NETLINK_ROUTE = 0
/** A group that only stands for "being deleted": links join it in the request that deletes it. */
const DOOMED_GROUP = 0x73686f61
/** Acknowledgements of one request must fit into the socket's receive buffer. */
const BATCH_MAX = 128
const GONE = ['ENODEV', 'ESRCH', 'ENOENT']

interface Waiting { readonly name: string; readonly resolve: () => void; readonly reject: (error: unknown) => void }

/**
 * Deletes links in batches. Each deletion waits, under the lock of the whole machine's links, until no processor looks at the link any more;
 * a group that is deleted at once waits only once (D-380). What is asked for while a batch is under way goes with the next one.
 */
export class LinkRemovals {
  readonly #libc: NetworkLibc
  readonly #waiting = new Map<NetnsPath, Waiting[]>()
  readonly #busy = new Set<NetnsPath>()

  constructor(libc: NetworkLibc) { this.#libc = libc }

  async remove(netns: NetnsPath, name: string): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.set(netns, [...this.#waiting.get(netns) ?? [], { name, resolve, reject }])
    })
    if (!this.#busy.has(netns)) await this.#drain(netns)
    await done
  }

  async #drain(netns: NetnsPath): Promise<void> {
    this.#busy.add(netns)
    try {
      for (let batch = this.#take(netns); batch.length > 0; batch = this.#take(netns)) await this.#removeBatch(netns, batch)
    } finally {
      this.#busy.delete(netns)
    }
  }

  #take(netns: NetnsPath): readonly Waiting[] {
    const waiting = this.#waiting.get(netns) ?? []
    if (waiting.length > BATCH_MAX) this.#waiting.set(netns, waiting.slice(BATCH_MAX))
    else this.#waiting.delete(netns)
    return waiting.slice(0, BATCH_MAX)
  }

  /** Never rejects: whoever waits is told. */
  async #removeBatch(netns: NetnsPath, batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#removeLinks(netns, [...new Set(batch.map(each => each.name))])
      for (const { resolve } of batch) resolve()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  async #removeLinks(netns: NetnsPath, names: readonly string[]): Promise<void> {
    // The socket stays in the namespace where it was opened, whatever thread uses it.
    const found = this.#libc.inside(netns, () => {
      const indexes = names.map(name => this.#libc.if_nametoindex(name)).filter(index => index !== 0)
      return indexes.length === 0 ? undefined : { socket: new NetlinkSocket(this.#libc, NETLINK_ROUTE), indexes }
    })
    if (found === undefined) return
    const { socket, indexes } = found
    try {
      if (indexes.length > 1) {
        const results = await socket.requestManyLater([...indexes.map(index => groupRequest(index, DOOMED_GROUP)), deleteGroupRequest(DOOMED_GROUP)])
        if (results.at(-1) === 0 && results.every(isDone)) return
      }
      // One alone, or a kernel that refuses the group.
      for (const index of indexes) {
        const [errno = 0] = await socket.requestManyLater([deleteLinkRequest(index)])
        if (!isDone(errno)) throw netlinkFailure(`delete link ${names.join(', ')}`, errno)
      }
    } finally {
      socket.close()
    }
  }
}

function isDone(errno: number): boolean { return errno === 0 || GONE.includes(errnoName(errno)) }
