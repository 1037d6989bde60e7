import { ShoalError } from '../../../src/base/errors.ts'

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
/** It is a directory's name. */
const NAME_LENGTH_MAX = 255

/** @throws `invalid-name` (invalid-argument) in Docker's words */
export function checkVolumeName(name: string): void {
  if (name.length === 1) throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`)
  if (!NAME.test(name)) throw invalid(`create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`)
  if (name.length > NAME_LENGTH_MAX) throw invalid(`create ${name.slice(0, 40)}…: the volume name is longer than ${NAME_LENGTH_MAX} characters`)
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-name', message) }
