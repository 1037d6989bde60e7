import koffi from 'koffi'
import { ShoalError } from '../../../src/base/errors.ts'
import type { NetnsPath } from '../netns.ts'
import type { Nft } from '../nft.ts'
import type { NetworkLibc } from './network-libc.ts'

/** nftables through libnftables.so.1 (package libnftables1). A context per call: a context stays in the namespace it was made in. */
export class LinuxNft implements Nft {
  readonly #libc: NetworkLibc
  readonly #new: (flags: number) => unknown
  readonly #free: (context: unknown) => void
  readonly #run: (context: unknown, commands: string) => number
  readonly #bufferOutput: (context: unknown) => number
  readonly #bufferError: (context: unknown) => number
  readonly #output: (context: unknown) => string | null
  readonly #error: (context: unknown) => string | null

  constructor(libc: NetworkLibc) {
    this.#libc = libc
    const library = koffi.load('libnftables.so.1')
    this.#new = library.func('void *nft_ctx_new(uint32_t)')
    this.#free = library.func('void nft_ctx_free(void *)')
    this.#run = library.func('int nft_run_cmd_from_buffer(void *, const char *)')
    this.#bufferOutput = library.func('int nft_ctx_buffer_output(void *)')
    this.#bufferError = library.func('int nft_ctx_buffer_error(void *)')
    this.#output = library.func('const char *nft_ctx_get_output_buffer(void *)')
    this.#error = library.func('const char *nft_ctx_get_error_buffer(void *)')
  }

  run(netns: NetnsPath, commands: string): string {
    return this.#libc.inside(netns, () => {
      const context = this.#new(0)
      if (context === null) throw new ShoalError('internal', 'nft-failed', 'libnftables gave no context: is CAP_NET_ADMIN there?')
      try {
        this.#bufferOutput(context)
        this.#bufferError(context)
        if (this.#run(context, commands) !== 0) {
          throw new ShoalError('internal', 'nft-failed', `nftables refused a change: ${this.#error(context)?.trim() ?? 'no reason given'}`)
        }
        return this.#output(context) ?? ''
      } finally {
        this.#free(context)
      }
    })
  }
}
