import net from 'node:net'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const
const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4
const FRAME_HEAD_BYTES = 9
/** RFC 9113: what every side takes. */
const FRAME_BYTES_MAX = 16_384
const MESSAGE_HEAD_BYTES = 5
/** RFC 9113: what both sides begin with. */
const FIRST_WINDOW_BYTES = 65_535
const WINDOW_MAX = 2 ** 31 - 1
const SETTING_INITIAL_WINDOW = 4
/** RFC 7541, appendix A: the names and pairs of the static table. */
const METHOD_POST = 0x83
const SCHEME_HTTP = 0x86
const NAMES = { authority: 1, path: 4, contentType: 31 } as const
const FIRST_OWN_INDEX = 62

/** What the caller of one stream hears. */
interface Listener { readonly onMessage: (message: Buffer) => void; readonly onEnd: (error: Error | undefined) => void; received: Buffer; window: number }

/** Data that waits for room in a window. */
interface Held { readonly stream: number; readonly flags: number; readonly body: Buffer }

/**
 * gRPC over one connection without TLS, with nothing but the frames it takes: a client whose own cost hardly counts, for a comparison (LeanCalls is the other side's).
 * Statuses are not read: a call that ends without a message has failed.
 */
export class LeanCaller implements Disposable {
  readonly #socket: net.Socket
  readonly #path: string
  readonly #streams = new Map<number, Listener>()
  #lastStream = -1
  #window = FIRST_WINDOW_BYTES
  #held: Held[] = []
  #received: Buffer = Buffer.alloc(0)
  #outgoing: Buffer[] = []

  private constructor(socket: net.Socket, path: string) {
    this.#socket = socket
    this.#path = path
    socket.on('data', bytes => this.#receive(bytes))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
    const settings = Buffer.alloc(6)
    settings.writeUInt16BE(SETTING_INITIAL_WINDOW)
    settings.writeUInt32BE(WINDOW_MAX, 2)
    const window = Buffer.alloc(4)
    window.writeUInt32BE(WINDOW_MAX - FIRST_WINDOW_BYTES)
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, settings), frame(FRAME.windowUpdate, 0, 0, window)]))
  }

  /** @param address "unix:/path" or a port of this host @param path "package.Service/Method" of all its calls */
  static async connect(address: string | number, path: string): Promise<LeanCaller> {
    const socket = net.connect({ ...typeof address === 'number' ? { host: '127.0.0.1', port: address } : { path: address.slice('unix:'.length) }, noDelay: true })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new LeanCaller(socket, path)
  }

  /** One request, one answer. */
  unary(request: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined
      const stream = this.#begin({
        onMessage: message => { answer = message },
        onEnd: error => { if (answer === undefined) reject(error ?? new Error(`${this.#path} failed`)); else resolve(answer) },
        received: Buffer.alloc(0), window: FIRST_WINDOW_BYTES,
      })
      this.#send(stream, request, END_STREAM)
    })
  }

  [Symbol.dispose](): void { this.#socket.destroy() }

  #begin(listener: Listener): number {
    const headers = this.#lastStream < 0 ? firstHeaders(this.#path) : LATER_HEADERS
    const stream = this.#lastStream += 2
    this.#streams.set(stream, listener)
    this.#write(frame(FRAME.headers, END_HEADERS, stream, headers))
    return stream
  }

  #send(stream: number, message: Uint8Array, flags: number): void {
    const body = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES + message.length)
    body[0] = 0
    body.writeUInt32BE(message.length, 1)
    body.set(message, MESSAGE_HEAD_BYTES)
    let at = 0
    for (; body.length - at > FRAME_BYTES_MAX; at += FRAME_BYTES_MAX) this.#held.push({ stream, flags: 0, body: body.subarray(at, at + FRAME_BYTES_MAX) })
    this.#held.push({ stream, flags, body: body.subarray(at) })
    this.#release()
  }

  #release(): void {
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const { stream, flags, body } = next
      const listener = this.#streams.get(stream)
      if (listener !== undefined && (body.length > this.#window || body.length > listener.window)) return
      this.#held.shift()
      if (listener === undefined) continue
      this.#window -= body.length
      listener.window -= body.length
      this.#write(frame(FRAME.data, flags, stream, body))
    }
  }

  /** What is written in one turn goes out together. */
  #write(bytes: Buffer): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => {
      this.#socket.write(Buffer.concat(this.#outgoing))
      this.#outgoing = []
    })
    this.#outgoing.push(bytes)
  }

  #receive(bytes: Buffer): void {
    let rest = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    while (rest.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + rest.readUIntBE(0, 3)
      if (rest.length < end) break
      this.#frame(rest.readUInt8(3), rest.readUInt8(4), rest.readUInt32BE(5), rest.subarray(FRAME_HEAD_BYTES, end))
      rest = rest.subarray(end)
    }
    this.#received = rest
  }

  #frame(type: number, flags: number, stream: number, body: Buffer): void {
    if (type === FRAME.data) this.#data(stream, body)
    else if (type === FRAME.reset) this.#end(stream, new Error(`${this.#path} was reset`))
    else if (type === FRAME.windowUpdate) this.#widen(stream, body.readUInt32BE(0))
    else if (type === FRAME.settings && (flags & ACK) === 0) this.#socket.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)))
    else if (type === FRAME.ping && (flags & ACK) === 0) this.#socket.write(frame(FRAME.ping, ACK, 0, body))
    else if (type === FRAME.goAway) this.#fail(new Error(`the server ends the connection: ${body.readUInt32BE(4)} ${body.toString('latin1', 8)}`))
    if ((type === FRAME.headers || type === FRAME.data) && (flags & END_STREAM) !== 0) this.#end(stream, undefined)
  }

  #widen(stream: number, bytes: number): void {
    const listener = this.#streams.get(stream)
    if (stream === 0) this.#window += bytes
    else if (listener !== undefined) listener.window += bytes
    this.#release()
  }

  #data(stream: number, body: Buffer): void {
    const listener = this.#streams.get(stream)
    if (listener === undefined) return
    let rest = listener.received.length === 0 ? body : Buffer.concat([listener.received, body])
    while (rest.length >= MESSAGE_HEAD_BYTES && rest.length >= MESSAGE_HEAD_BYTES + rest.readUInt32BE(1)) {
      const end = MESSAGE_HEAD_BYTES + rest.readUInt32BE(1)
      listener.onMessage(rest.subarray(MESSAGE_HEAD_BYTES, end))
      rest = rest.subarray(end)
    }
    listener.received = rest
  }

  #end(stream: number, error: Error | undefined): void {
    this.#streams.get(stream)?.onEnd(error)
    this.#streams.delete(stream)
  }

  #fail(error: Error): void { for (const stream of [...this.#streams.keys()]) this.#end(stream, error) }
}

function frame(type: number, flags: number, stream: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + body.length)
  bytes.writeUIntBE(body.length, 0, 3)
  bytes[3] = type
  bytes[4] = flags
  bytes.writeUInt32BE(stream, 5)
  bytes.set(body, FRAME_HEAD_BYTES)
  return bytes
}

/** The other side remembers these four (RFC 7541, 6.2.1): later requests name their places. */
function firstHeaders(path: string): Buffer {
  const value = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const named = (name: number, text: string): Buffer => Buffer.concat([Buffer.from([0x40 | name]), value(text)])
  return Buffer.concat([Buffer.from([METHOD_POST, SCHEME_HTTP]), named(NAMES.path, `/${path}`), named(NAMES.authority, 'localhost'), named(NAMES.contentType, 'application/grpc'), Buffer.from([0x40]), value('te'), value('trailers')])
}

const LATER_HEADERS = Buffer.from([METHOD_POST, SCHEME_HTTP, ...[3, 2, 1, 0].map(at => 0x80 | FIRST_OWN_INDEX + at)])
