import { ShoalError } from '../../base/errors.ts'
import type { Annotations } from './specs.ts'

/** No part of it can be read in two ways: a name of 63 characters that nearly fits must not take the manager years to refuse. */
const DNS_LABEL = /^[a-zA-Z0-9](?:[-_a-zA-Z0-9]*[a-zA-Z0-9])?$/
const PLAIN_NAME = /^[a-zA-Z0-9]+(?:[a-zA-Z0-9\-_.]*[a-zA-Z0-9])?$/
const LABEL_LENGTH_MAX = 63
const NAME_LENGTH_MAX = 64

/** @returns the error of a spec the user has to change; its message is what Docker says (swarm-semantics.md, B15). */
export function invalidSpec(message: string): ShoalError {
  return new ShoalError('invalid-argument', 'invalid-spec', message)
}

/** Names of services and networks: one DNS label of at most 63 characters. @throws ShoalError `invalid-spec` */
export function validateDnsName(annotations: Annotations | undefined): string {
  const name = annotations?.name ?? ''
  if (name === '') throw invalidSpec('meta: name must be provided')
  if (name.length > LABEL_LENGTH_MAX) throw invalidSpec('name must be 63 characters or fewer')
  if (!DNS_LABEL.test(name)) throw invalidSpec('name must be valid as a DNS name component')
  return name
}

/** Names of secrets and configs: at most 64 of [a-zA-Z0-9-_.], alphanumeric at both ends. @throws ShoalError `invalid-spec` */
export function validatePlainName(annotations: Annotations | undefined): string {
  const name = annotations?.name ?? ''
  if (name === '') throw invalidSpec('name must be provided')
  if (name.length > NAME_LENGTH_MAX || !PLAIN_NAME.test(name)) {
    throw invalidSpec('invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]')
  }
  return name
}
