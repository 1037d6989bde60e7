import { AsyncLocalStorage } from 'node:async_hooks'
import dgram from 'node:dgram'
import fs from 'node:fs'
import net from 'node:net'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

/** How the effect at which a process dies is left: not begun, or half done (half of a file's bytes, half of a folder's entries gone). */
export type Tear = 'before' | 'half'

const ASYNC_EFFECTS = ['writeFile', 'rename', 'rm', 'rmdir', 'mkdir', 'unlink', 'symlink', 'link', 'chmod', 'chown', 'cp', 'copyFile', 'utimes', 'truncate'] as const
const SYNC_EFFECTS = ['writeFileSync', 'renameSync', 'rmSync', 'rmdirSync', 'mkdirSync', 'unlinkSync', 'symlinkSync', 'chmodSync', 'chownSync', 'cpSync'] as const
const HANDLE_EFFECTS: readonly unknown[] = ['writeFile', 'write', 'datasync', 'sync']

/** As they are before anything is wrapped. */
const { existsSync, readdirSync, rmSync, statSync, writeFileSync } = fs

type Anything = (...args: never[]) => unknown

/** One life of a daemon: counts what it does to the world, and from its last effect on does nothing any more. */
export class Life {
  effects = 0
  isOver = false
  /** Of each effect what it was, for messages. */
  readonly trace: string[] = []
  readonly died: Promise<void>
  readonly #under = new Set<Promise<unknown>>()
  readonly #onDeath: (() => void)[] = []
  #last = Infinity
  #tear: Tear = 'before'
  #settle: () => void = () => undefined

  constructor() { this.died = new Promise(resolve => { this.#settle = resolve }) }

  /** From now on the nth effect is the one at which it ends. */
  endAt(nth: number, tear: Tear): void {
    this.#last = this.effects + nth
    this.#tear = tear
  }

  /** At once, when it is over already. */
  onDeath(action: () => void): void { if (this.isOver) action(); else this.#onDeath.push(action) }

  end(): void {
    if (this.isOver) return
    this.isOver = true
    for (const action of this.#onDeath) action()
    this.#settle()
  }

  /** What was begun before the end has its end: the kernel finishes a system call. */
  async drained(): Promise<void> { while (this.#under.size > 0) await Promise.allSettled([...this.#under]) }

  /** After the end nothing happens, and the caller goes on to wherever it waits next: to throw would have it clear up, as no dead process does. */
  now<T>(what: string, work: () => T, half: () => void = () => undefined): T | undefined { return this.#begin(what, half) ? work() : undefined }

  async later<T>(what: string, work: () => Promise<T>, half: () => void = () => undefined): Promise<T> {
    if (!this.#begin(what, half)) return new Promise(() => undefined)
    const done = work()
    this.#under.add(done)
    try {
      return await done
    } finally {
      this.#under.delete(done)
    }
  }

  #begin(what: string, half: () => void): boolean {
    if (this.isOver) return false
    this.effects++
    this.trace.push(what)
    if (this.effects < this.#last) return true
    this.isOver = true
    if (this.#tear === 'half') half()
    this.isOver = false
    this.end()
    return false
  }
}

/**
 * Lets code run as a process that dies at a chosen effect on files: node's file functions are wrapped, for code in a life's context only. Reads are not effects;
 * sockets close at the end.
 * Disposing puts the functions back.
 */
export class CrashPoint implements Disposable {
  readonly #context = new AsyncLocalStorage<Life>()
  readonly #restore: (() => void)[] = []

  /** @param options descriptors: also what is written through descriptors by functions that block is an effect */
  constructor(options: { readonly descriptors?: boolean } = {}) {
    const promises = fs.promises as unknown as Record<string, Anything>
    const sync = fs as unknown as Record<string, Anything>
    for (const name of ASYNC_EFFECTS) this.#wrap(promises, name, (life, original, args) => life.later(`${name} ${String(args[0])}`, () => original(...args as never[]) as Promise<unknown>, () => tear(name, args)))
    for (const name of SYNC_EFFECTS) this.#wrap(sync, name, (life, original, args) => life.now(`${name} ${String(args[0])}`, () => original(...args as never[]), () => tear(name.replace('Sync', ''), args)))
    this.#wrap(sync, 'createWriteStream', (life, original, args) => life.now(`createWriteStream ${String(args[0])}`, () => original(...args as never[])))
    this.#wrap(promises, 'open', (life, original, args) => args[1] === undefined || args[1] === 'r' ? original(...args as never[])
      : life.later(`open ${String(args[0])}`, async () => handle(await original(...args as never[]) as object, life, String(args[0]))))
    if (options.descriptors === true) this.#wrapDescriptors(sync)
    for (const [owner, name] of [[dgram, 'createSocket'], [net, 'createServer']] as const) {
      this.#wrap(owner as unknown as Record<string, Anything>, name, (life, original, args) => {
        const socket = original(...args as never[]) as { close(): void }
        life.onDeath(() => socket.close())
        return socket
      })
    }
    syncBuiltinESMExports()
  }

  /** Runs `work` in a life; everything that it starts belongs to that life. */
  run<T>(life: Life, work: () => T): T { return this.#context.run(life, work) }
  /** Runs `work` as the rest of the world. */
  outside<T>(work: () => T): T { return this.#context.exit(work) }
  get life(): Life | undefined { return this.#context.getStore() }

  [Symbol.dispose](): void {
    for (const restore of this.#restore) restore()
    syncBuiltinESMExports()
  }

  #wrapDescriptors(sync: Record<string, Anything>): void {
    this.#wrap(sync, 'openSync', (life, original, args) => args[1] === undefined || args[1] === 'r' || args[1] === 'r+' ? original(...args as never[])
      : life.now(`openSync ${String(args[0])}`, () => original(...args as never[])))
    this.#wrap(sync, 'writeSync', (life, original, args) => life.now('writeSync', () => original(...args as never[]), () => {
      const [fd, data, offset, length, position] = args as [number, string | Uint8Array, number?, number?, number?]
      if (typeof data === 'string') original(...[fd, data.slice(0, data.length / 2)] as never[])
      else original(...[fd, data, offset, Math.floor((length ?? data.length) / 2), position] as never[])
    }))
    // The dead write nothing, and have nothing open.
    for (const name of ['fsyncSync', 'fdatasyncSync', 'closeSync']) this.#wrap(sync, name, (life, original, args) => life.isOver && args[0] === undefined ? undefined : original(...args as never[]))
  }

  #wrap(owner: Record<string, Anything>, name: string, act: (life: Life, original: Anything, args: readonly unknown[]) => unknown): void {
    const original = owner[name]
    if (original === undefined) throw new Error(`node has no ${name}`)
    owner[name] = (...args: never[]): unknown => {
      const life = this.life
      return life === undefined ? original(...args) : this.#context.exit(() => act(life, original, args))
    }
    this.#restore.push(() => { owner[name] = original })
  }
}

function handle(file: object, life: Life, path: string): object {
  return new Proxy(file, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      const call = (...args: unknown[]): Promise<unknown> => (value as (...all: unknown[]) => Promise<unknown>).apply(target, args)
      if (!HANDLE_EFFECTS.includes(name)) return call
      return (...args: unknown[]) => life.later(`${String(name)} ${path}`, () => call(...args), () => { if (name === 'writeFile') tear('writeFile', [path, ...args]) })
    },
  })
}

/** The effect's first half. */
function tear(name: string, args: readonly unknown[]): void {
  const path = String(args[0])
  if (name === 'writeFile') writeFileSync(path, Buffer.from(args[1] as string).subarray(0, Math.floor(Buffer.byteLength(args[1] as string) / 2)))
  if (name === 'rm' && existsSync(path) && statSync(path).isDirectory()) {
    const names = readdirSync(path).sort()
    for (const entry of names.slice(0, Math.ceil(names.length / 2))) rmSync(join(path, entry), { recursive: true })
  }
}
