import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Child, until } from './child.ts'
import { LeanCaller } from './lean-caller.ts'
import type { Subject, Writer } from './subject.ts'

const FIRST_PORT = 23790
const START_TIMEOUT_MS = 20_000
const PUT = 'etcdserverpb.KV/Put'

/** etcd as Debian has it, with its defaults; mutual TLS between its nodes and none towards clients, each node's data in a folder of its own. */
export class Etcd implements Subject {
  readonly name = 'etcd'
  readonly #children: readonly Child[]
  readonly #count: number

  private constructor(children: readonly Child[], count: number) {
    this.#children = children
    this.#count = count
  }

  static async start(folder: string, count: number): Promise<Etcd> {
    const numbers = Array.from({ length: count }, (_, i) => i)
    const cluster = numbers.map(i => `n${i}=https://127.0.0.1:${peerPort(i)}`).join(',')
    const { certificate, key } = createCertificate(folder)
    const etcd = new Etcd(numbers.map(i => new Child('etcd', [
      '--name', `n${i}`, '--data-dir', join(folder, `etcd${i}`), '--logger', 'zap', '--log-level', 'fatal', '--initial-cluster', cluster, '--initial-cluster-state', 'new',
      '--listen-client-urls', `http://127.0.0.1:${clientPort(i)}`, '--advertise-client-urls', `http://127.0.0.1:${clientPort(i)}`,
      '--listen-peer-urls', `https://127.0.0.1:${peerPort(i)}`, '--initial-advertise-peer-urls', `https://127.0.0.1:${peerPort(i)}`,
      '--peer-client-cert-auth', '--peer-trusted-ca-file', certificate, '--peer-cert-file', certificate, '--peer-key-file', key,
    ])), count)
    await etcd.#leader()
    return etcd
  }

  async writer(): Promise<Writer> {
    const caller = await LeanCaller.connect(await this.#leader(), PUT)
    return {
      put: async (key, value) => { await caller.unary(putRequest(`key-${key}`, value)) },
      [Symbol.asyncDispose]: async () => caller[Symbol.dispose](),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await Promise.all(this.#children.map(child => child[Symbol.asyncDispose]())) }

  async #leader(): Promise<number> {
    return until('etcd has a leader', START_TIMEOUT_MS, async () => {
      for (let i = 0; i < this.#count; i++) {
        const metrics = await (await fetch(`http://127.0.0.1:${clientPort(i)}/metrics`)).text()
        if (/^etcd_server_is_leader 1/m.test(metrics)) return clientPort(i)
      }
      return undefined
    })
  }
}

/** Signed by itself, for all nodes. */
function createCertificate(folder: string): { readonly certificate: string; readonly key: string } {
  const [certificate, key] = [join(folder, 'etcd.pem'), join(folder, 'etcd.key')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=etcd', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2', '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  return { certificate, key }
}

function clientPort(i: number): number { return FIRST_PORT + 2 * i }
function peerPort(i: number): number { return FIRST_PORT + 2 * i + 1 }

/** PutRequest { bytes key = 1; bytes value = 2 } of etcd's rpc.proto, the only message of it that is needed. */
function putRequest(key: string, value: string): Uint8Array {
  const field = (tag: number, text: string): Buffer => {
    const body = Buffer.from(text)
    const length = body.length < 0x80 ? [body.length] : [body.length & 0x7f | 0x80, body.length >> 7]
    return Buffer.concat([Buffer.from([tag << 3 | 2, ...length]), body])
  }
  return Buffer.concat([field(1, key), field(2, value)])
}
