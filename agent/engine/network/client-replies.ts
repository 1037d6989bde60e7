import { hasCode } from '../../../src/base/errors.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { changeReplyRoutes, changeReplyRules, noReplyRules, replyRules, type ReplyPaths } from './reply-paths.ts'

/** Keeps the way of replies right in the namespaces of containers on the ingress network, as hosts come and go. One change at a time. */
export class ClientReplies {
  readonly #kernel: NetworkKernel
  /** By namespace. */
  readonly #known = new Map<string, ReplyPaths>()

  constructor(kernel: NetworkKernel) { this.#kernel = kernel }

  /** @param options.isAgain an earlier daemon's rules may be there, those of `previous` too */
  async open(netns: string, paths: ReplyPaths, options: { readonly isAgain: boolean; readonly previous?: ReplyPaths | undefined }): Promise<void> {
    // Where the host checks reverse paths, the check must look the reply's way up, not the default route.
    this.#kernel.netns.writeSysctl(netns, 'ipv4/conf/all/src_valid_mark', '1')
    this.#kernel.links.apply(netns, [...removals(options.previous, paths), ...changeReplyRoutes(undefined, paths)])
    await this.#kernel.nft.run(netns, replyRules(paths, options.isAgain))
    this.#known.set(netns, paths)
  }

  /** Programs what differs. When it fails, the next change tries it all again. */
  async change(netns: string, paths: ReplyPaths): Promise<void> {
    const known = this.#known.get(netns)
    if (known === undefined) return await this.open(netns, paths, { isAgain: true })
    const operations = changeReplyRoutes(known, paths)
    if (operations.length > 0) this.#kernel.links.apply(netns, operations)
    const rules = changeReplyRules(known, paths)
    if (rules !== '') await this.#runOrRenew(netns, rules, paths)
    this.#known.set(netns, paths)
  }

  /** The container left the ingress network and goes on. */
  async close(netns: string): Promise<void> {
    const known = this.#known.get(netns)
    if (known === undefined) return
    this.#known.delete(netns)
    this.#kernel.links.apply(netns, changeReplyRoutes(known, undefined))
    await this.#kernel.nft.run(netns, noReplyRules())
  }

  /** The namespace goes, and all that was in it. */
  forget(netns: string): void { this.#known.delete(netns) }

  /** A privileged container may have flushed our rules. */
  async #runOrRenew(netns: string, rules: string, paths: ReplyPaths): Promise<void> {
    try {
      await this.#kernel.nft.run(netns, rules)
    } catch (error) {
      if (!hasCode(error, 'nft-failed')) throw error
      await this.#kernel.nft.run(netns, replyRules(paths, true))
    }
  }
}

function removals(from: ReplyPaths | undefined, to: ReplyPaths): ReturnType<typeof changeReplyRoutes> {
  return changeReplyRoutes(from, to).filter(operation => operation.kind.startsWith('delete-'))
}
