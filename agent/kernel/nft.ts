import type { NetnsPath } from './netns.ts'

/** nftables of one namespace, in nft's own language. */
export interface Nft {
  /** Runs the commands as one transaction, all or nothing, after those of earlier calls. Returns what `list` commands print. @throws `nft-failed` (internal) */
  run(netns: NetnsPath, commands: string): Promise<string>
}
