import { ShoalError } from '../../base/errors.ts'
import { Sealer, unseal, type LogKey } from './log-seal.ts'

const PREFIX = 'shoal-sealed'

/** Seals a text for its place. The result is one line that names the key. */
export function sealText(key: LogKey, text: string, place: string): string {
  return `${PREFIX}:${key.id}:${new Sealer(key).seal(Buffer.from(text), place).toString('base64')}\n`
}

/** The id of the key that a text is sealed with; undefined when it is not sealed. */
export function sealingKeyId(text: string): string | undefined {
  const [prefix, keyId] = text.split(':', 2)
  return prefix === PREFIX ? keyId : undefined
}

/** The text as it was, sealed or not. @throws ShoalError `seal-key-missing` (failed-precondition), `log-key-wrong` */
export function openText(keys: readonly LogKey[], text: string, place: string): string {
  const keyId = sealingKeyId(text)
  if (keyId === undefined) return text
  const key = keys.find(each => each.id === keyId)
  if (key === undefined) {
    throw new ShoalError('failed-precondition', 'seal-key-missing', `${place} is sealed with a key that this node does not have: restore it together with swarm/lock.json from one backup, or leave the cluster with 'docker swarm leave --force' and join it again`)
  }
  return unseal(key, Buffer.from(text.trimEnd().slice(PREFIX.length + keyId.length + 2), 'base64'), place).toString()
}
