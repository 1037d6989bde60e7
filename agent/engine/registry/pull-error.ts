import { ShoalError } from '../../../src/base/errors.ts'
import { familiarKey, familiarRepository, referenceKey, type ImageReference } from '../image/image-reference.ts'
import { clientError, CredentialsMissing, RegistryRefusal } from './registry-error.ts'

/** Why a pull failed, in dockerd's words. `image-not-found` (not-found) for what is not there or not for us. */
export function pullError(error: unknown, reference: ImageReference): unknown {
  if (error instanceof CredentialsMissing) return new ShoalError('unknown', 'registry-refused', `Head "${error.url}": ${error.message}`, { cause: error })
  if (!(error instanceof RegistryRefusal)) return clientError(error)
  const name = familiarRepository(reference.repository)
  switch (error.registryCode) {
    case 'DENIED': return notFound(`pull access denied for ${name}, repository does not exist or may require 'docker login': ${error.message}`, error)
    case 'MANIFEST_UNKNOWN': return notFound(`manifest for ${familiarKey(referenceKey(reference))} not found: ${error.message}`, error)
    case 'NAME_UNKNOWN': return notFound(`repository ${name} not found: ${error.message}`, error)
    default: return clientError(error)
  }
}

function notFound(message: string, cause: unknown): ShoalError { return new ShoalError('not-found', 'image-not-found', message, { cause }) }
