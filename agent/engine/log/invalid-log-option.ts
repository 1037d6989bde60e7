import { ShoalError } from '../../../src/base/errors.ts'

/** `invalid-log-option` (invalid-argument) */
export function invalidLogOption(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-log-option', message) }
