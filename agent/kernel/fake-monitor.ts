import { Duplex } from 'node:stream'

const FRAME = { stdin: 0, stdout: 1, stderr: 2, stdinClose: 5, attach: 7, start: 8, exit: 9, signal: 10 } as const
const HEADER_SIZE = 8

/** A model of the container monitor: speaks its protocol (agent/monitor/README.md), runs nothing; a test says what its process prints and when it ends. */
export class FakeMonitor {
  readonly argv: readonly string[]
  readonly pid: number
  /** Signals that were sent to the process, in order. */
  readonly signals: number[] = []
  readonly stdin: Buffer[] = []
  isStdinClosed = false
  isEnded = false
  readonly #failure: number | undefined
  readonly #onSignal: (monitor: FakeMonitor, signal: number) => void
  readonly #clients = new Map<Duplex, number>()
  #state: string = '{}'
  #launched = false

  constructor(options: { readonly argv: readonly string[]; readonly pid: number; readonly failure: number | undefined; readonly onSignal: (monitor: FakeMonitor, signal: number) => void }) {
    this.argv = options.argv
    this.pid = options.pid
    this.#failure = options.failure
    this.#onSignal = options.onSignal
  }

  get directory(): string { return this.argv[this.argv.indexOf('-d') + 1] ?? '' }

  /** A new client's end. */
  connect(): Duplex {
    const [ours, theirs] = createPair()
    this.#clients.set(ours, 0)
    let rest: Buffer = Buffer.alloc(0)
    ours.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= HEADER_SIZE && rest.length >= HEADER_SIZE + rest.readUInt32BE(4)) {
        const end = HEADER_SIZE + rest.readUInt32BE(4)
        this.#take(ours, rest[0] ?? 0, rest.subarray(HEADER_SIZE, end))
        rest = rest.subarray(end)
      }
    })
    ours.on('close', () => { this.#clients.delete(ours); this.#firstClient() })
    return theirs
  }

  /** The daemon's own connection; the runtime is done at once unless told to wait (-w, -a). */
  start(): Duplex {
    const control = this.connect()
    for (const client of this.#clients.keys()) this.#send(client, FRAME.attach, Buffer.from(this.#state))
    if (!this.#has('-w') && !this.#has('-a')) this.#launch()
    return control
  }

  /** The process writes. */
  print(text: string, stream: 1 | 2 = FRAME.stdout): void {
    for (const [client, wants] of this.#clients) if ((wants & stream) !== 0) this.#send(client, stream, Buffer.from(text))
  }

  /** The process ends, and with it the monitor. */
  exit(code: number, options: { readonly oomKills?: number; readonly atMs?: number } = {}): void {
    if (this.isEnded) return
    this.#state = JSON.stringify({ pid: this.pid, code, oom_kill: options.oomKills ?? 0, at: String(BigInt(options.atMs ?? 0) * 1_000_000n) })
    this.#end(FRAME.exit)
  }

  /** The monitor is killed: its clients see the end and nothing else. */
  vanish(): void {
    this.isEnded = true
    for (const client of this.#clients.keys()) client.destroy()
  }

  #has(option: string): boolean { return this.argv.slice(0, this.argv.indexOf('--')).includes(option) }

  #launch(): void {
    this.#launched = true
    this.#state = this.#failure === undefined ? JSON.stringify({ pid: this.pid }) : JSON.stringify({ failed: this.#failure })
    if (this.#failure !== undefined) this.#end(FRAME.start)
    else for (const client of this.#clients.keys()) this.#send(client, FRAME.start, Buffer.from(this.#state))
  }

  #end(type: number): void {
    this.isEnded = true
    for (const client of this.#clients.keys()) {
      this.#send(client, type, Buffer.from(this.#state))
      client.end()
    }
  }

  #take(client: Duplex, type: number, body: Buffer): void {
    if (type === FRAME.attach) {
      this.#clients.set(client, body[0] ?? 0)
      this.#send(client, FRAME.attach, Buffer.from(this.#state))
      this.#firstClient()
    }
    if (type === FRAME.start) this.#launch()
    if (type === FRAME.stdin) this.stdin.push(Buffer.from(body))
    if (type === FRAME.stdinClose) this.isStdinClosed = true
    if (type === FRAME.signal) {
      this.signals.push(body[0] ?? 0)
      this.#onSignal(this, body[0] ?? 0)
    }
  }

  #firstClient(): void { if (this.#has('-a') && !this.#launched) this.#launch() }

  #send(client: Duplex, type: number, body: Buffer): void {
    const header = Buffer.alloc(HEADER_SIZE)
    header[0] = type
    header.writeUInt32BE(body.length, 4)
    if (!client.writableEnded && !client.destroyed) client.write(Buffer.concat([header, body]))
  }
}

/** Two ends of a connection in memory; an end of one is an end of the other. */
function createPair(): readonly [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex => new Duplex({
    allowHalfOpen: false,
    read: () => undefined,
    write: (chunk, _encoding, done) => { other().push(chunk); done() },
    final: done => { other().push(null); done() },
    destroy: (error, done) => { if (!other().readableEnded) other().push(null); done(error) },
  })
  const first: Duplex = make(() => second)
  const second: Duplex = make(() => first)
  return [first, second]
}
