import { familyOf, ipOfBytes } from '../../../src/base/ip-address.ts'
import { decode, encode, type Answer, type Packet } from 'dns-packet'

/** Short, since names follow containers as they come and go. */
export const TTL_SECONDS = 2
/** Without EDNS a client takes no longer datagram (RFC 1035). */
const UDP_BYTES_MAX = 512
const AUTHORITATIVE = 1 << 10
const TRUNCATED = 1 << 9
const RECURSION_DESIRED = 1 << 8
const RECURSION_AVAILABLE = 1 << 7
const NXDOMAIN = 3
const SERVFAIL = 2

/** What is known of a name: undefined when it is none of ours and has to be asked elsewhere. */
export interface LocalNames {
  addresses(name: string): readonly string[] | undefined
  /** The name of an address. */
  reverse(address: string): string | undefined
}

export function parseQuery(bytes: Buffer): Packet | undefined {
  try {
    const query = decode(bytes)
    return query.type === 'query' && query.questions?.length === 1 ? query : undefined
  } catch {
    return undefined // not DNS: nobody to answer
  }
}

/** The answer from local names; undefined: forward it. `shuffle` orders several addresses. */
export function answerLocally(query: Packet, names: LocalNames, shuffle: (addresses: readonly string[]) => readonly string[]): Buffer | undefined {
  const [question] = query.questions ?? []
  if (question === undefined) return undefined
  const name = question.name.toLowerCase().replace(/\.$/, '')
  if (question.type === 'PTR') {
    const target = names.reverse(addressOfPointer(name))
    return target === undefined ? undefined : reply(query, [{ type: 'PTR', name: question.name, ttl: TTL_SECONDS, data: target }], 0)
  }
  const addresses = names.addresses(name)
  if (addresses === undefined) return undefined
  if (addresses.length === 0) return reply(query, [], NXDOMAIN)
  // Other types exist with no data: asking upstream would be slow and could contradict us.
  const wanted = (family: 4 | 6): boolean => String(question.type) === 'ANY' || question.type === (family === 4 ? 'A' : 'AAAA')
  const answers = shuffle(addresses).filter(data => wanted(familyOf(data)))
  return reply(query, answers.map((data): Answer => ({ type: familyOf(data) === 4 ? 'A' : 'AAAA', name: question.name, ttl: TTL_SECONDS, data })), 0)
}

/** "I could not find out": nobody upstream, or nobody answers. */
export function failureReply(query: Packet): Buffer { return reply(query, [], SERVFAIL) }

/** Cuts an answer to what the client takes over UDP, marked so that it asks again over TCP. */
export function fitDatagram(query: Packet, answer: Buffer): Buffer {
  const limit = udpLimitOf(query)
  if (answer.length <= limit) return answer
  const packet = decode(answer)
  const answers = [...packet.answers ?? []]
  for (;;) {
    const cut = encode({ ...packet, flags: (packet.flags ?? 0) | TRUNCATED, answers })
    if (cut.length <= limit || answers.length === 0) return cut
    answers.length = Math.floor(answers.length / 2)
  }
}

function reply(query: Packet, answers: Answer[], code: number): Buffer {
  return encode({
    type: 'response', id: query.id ?? 0, questions: query.questions ?? [], answers,
    flags: AUTHORITATIVE | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | code,
  })
}

function udpLimitOf(query: Packet): number {
  const option = query.additionals?.find(each => each.type === 'OPT')
  return Math.max(UDP_BYTES_MAX, option !== undefined && 'udpPayloadSize' in option ? Number(option.udpPayloadSize) : 0)
}

/** 4.3.2.1.in-addr.arpa -> 1.2.3.4, and the 32 digits of ip6.arpa -> the address; else nothing's. */
function addressOfPointer(name: string): string {
  if (name.endsWith('.in-addr.arpa')) return name.replace(/\.in-addr\.arpa$/, '').split('.').reverse().join('.')
  const digits = name.replace(/\.ip6\.arpa$/, '').split('.').reverse().join('')
  return /^[0-9a-f]{32}$/.test(digits) ? ipOfBytes(Buffer.from(digits, 'hex')) : ''
}
