import type { BuildMessage } from '../../../src/api/engine/build-request.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { parseReference } from '../image/image-reference.ts'
import type { StoredImage } from '../image/image-store.ts'
import type { BuildSession } from './build-session.ts'

/** The id of an image to build on, pulled if it is not here or if that is asked. @param platform "linux/arm64", or '' for this machine's @throws `no-such-image`, `wrong-platform`, those of pulling */
export async function* baseImage(name: string, platform: string, session: BuildSession): AsyncGenerator<BuildMessage, string> {
  const { parts: { store, images, architecture }, request, signal } = session
  const local = store.find(name)
  const wanted = platform === '' ? undefined : architectureOf(platform)
  const fits = (image: StoredImage): boolean => wanted === undefined || (image.file.architecture ?? architecture) === wanted
  // An id cannot be asked for, nor can what was only ever built here be newer elsewhere under a name that is no registry's.
  if (local !== undefined && fits(local) && (!request.pull || isId(name))) return local.id
  if (images.pull === undefined) throw missing(name, local, platform)
  const reference = parseReference(name)
  const auth = registryAuth(reference.repository, request.registryAuth)
  for await (const message of images.pull({ reference: name, allTags: false, ...(platform === '' ? {} : { platform }), ...(auth === undefined ? {} : { registryAuth: auth }) }, signal)) {
    if (typeof message['error'] === 'string') throw new ShoalError('unavailable', 'pull-failed', message['error'])
    yield message
  }
  const pulled = store.find(name)
  if (pulled === undefined || !fits(pulled)) throw missing(name, pulled, platform)
  return pulled.id
}

function isId(name: string): boolean { return /^sha256:[0-9a-f]{64}$/.test(name) }

/** "linux/arm64/v8" -> "arm64" @throws `bad-platform` */
function architectureOf(platform: string): string {
  const [os = '', architecture] = platform.split('/')
  if (architecture === undefined ? !/^[a-z0-9]+$/.test(os) : os !== 'linux' || !/^[a-z0-9]+$/.test(architecture)) throw new ShoalError('invalid-argument', 'bad-platform', `failed to parse platform ${platform}: only linux is supported, as in linux/amd64`)
  return architecture ?? os
}

function missing(name: string, found: StoredImage | undefined, platform: string): ShoalError {
  if (found === undefined) return new ShoalError('not-found', 'no-such-image', `No such image: ${name}; load or import it first`)
  return new ShoalError('not-found', 'wrong-platform', `image with reference ${name} was found but its platform (linux/${found.file.architecture ?? ''}) does not match the specified platform (${platform})`)
}

/** Clients file credentials for the hub under its old address. */
function registryAuth(repository: string, known: Readonly<Record<string, string>>): string | undefined {
  const host = repository.slice(0, repository.indexOf('/'))
  return known[host] ?? (host === 'docker.io' ? known['https://index.docker.io/v1/'] ?? known['index.docker.io'] : known[`https://${host}`] ?? known[`http://${host}`])
}
