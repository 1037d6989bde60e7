import koffi from 'koffi'
import { ShoalError } from '../../../src/base/errors.ts'
import type { NetnsPath } from '../netns.ts'
import type { Nft } from '../nft.ts'
import type { NetworkLibc } from './network-libc.ts'

/**
 * nftables through libnftables.so.1 (package libnftables1). A context per call, as it stays in the namespace it was made in, also when another
 * thread runs it. Adding takes 0.3 ms, but deleting waits for the kernel's readers for some 10 ms: hence the other thread. One at a time, as the
 * library does not promise more.
 */
export class LinuxNft implements Nft {
  readonly #libc: NetworkLibc
  readonly #new: (flags: number) => unknown
  readonly #free: { async(context: unknown, done: (error: Error | null) => void): void }
  readonly #run: { async(context: unknown, commands: string, done: (error: Error | null, code: number) => void): void }
  readonly #bufferOutput: (context: unknown) => number
  readonly #bufferError: (context: unknown) => number
  readonly #output: (context: unknown) => string | null
  readonly #error: (context: unknown) => string | null
  #last: Promise<unknown> = Promise.resolve()

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

  run(netns: NetnsPath, commands: string): Promise<string> {
    const result = this.#last.then(() => this.#runNow(netns, commands))
    this.#last = result.then(() => undefined, () => undefined)
    return result
  }

  async #runNow(netns: NetnsPath, commands: string): Promise<string> {
    const context = this.#libc.inside(netns, () => this.#new(0))
    if (context === null) throw new ShoalError('internal', 'nft-failed', 'libnftables gave no context: is CAP_NET_ADMIN there?')
    try {
      this.#bufferOutput(context)
      this.#bufferError(context)
      const code = await new Promise<number>((resolve, reject) => this.#run.async(context, commands, (error, result) => (error === null ? resolve(result) : reject(error))))
      if (code !== 0) throw new ShoalError('internal', 'nft-failed', `nftables refused a change: ${this.#error(context)?.trim() ?? 'no reason given'}`)
      return this.#output(context) ?? ''
    } finally {
      await new Promise<void>(resolve => this.#free.async(context, () => resolve()))
    }
  }
}
