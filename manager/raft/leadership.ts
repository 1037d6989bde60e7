import { Channel } from '../../src/base/channel.ts'

/** Who leads, as this node knows. */
export interface Leadership {
  /** This node leads, and has applied all that was committed before its term. */
  readonly isLeader: boolean
  /** Raft id; 0 while no leader is known. */
  readonly leaderId: number
  /** "host:port"; '' while no leader, or no address of it, is known. */
  readonly leaderAddr: string
  readonly term: number
}

/** Changes a watcher may fall behind: they come seconds apart. */
const WATCH_CHANGES_MAX = 64

/** Holds the present leadership and tells those who watch. */
export class LeadershipBoard {
  #current: Leadership = { isLeader: false, leaderId: 0, leaderAddr: '', term: 0 }
  readonly #watchers = new Set<Channel<Leadership>>()

  get current(): Leadership { return this.#current }

  /** Tells watchers if anything differs. */
  set(next: Leadership): void {
    const { isLeader, leaderId, leaderAddr, term } = this.#current
    if (next.isLeader === isLeader && next.leaderId === leaderId && next.leaderAddr === leaderAddr && next.term === term) return
    this.#current = next
    for (const watcher of [...this.#watchers]) if (!watcher.push(next)) this.#watchers.delete(watcher)
  }

  /** The present leadership, then each change. Rejects with the signal's reason; a slow reader gets `lagged`. */
  watch(signal: AbortSignal): AsyncIterable<Leadership> {
    signal.throwIfAborted()
    const onAbort = (): void => { end(); channel.fail(signal.reason) }
    const end = (): void => {
      this.#watchers.delete(channel)
      signal.removeEventListener('abort', onAbort)
    }
    const channel = new Channel<Leadership>(WATCH_CHANGES_MAX, end)
    channel.push(this.#current)
    this.#watchers.add(channel)
    signal.addEventListener('abort', onAbort, { once: true })
    return channel
  }

  /** Ends all watches. */
  close(error: unknown): void {
    for (const watcher of [...this.#watchers]) watcher.fail(error)
    this.#watchers.clear()
  }
}
