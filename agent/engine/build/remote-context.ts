import { createReadStream } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import { receiveContext, type BuildContext, type ContextParts } from './build-context.ts'
import { download } from './download.ts'
import { isArchive } from './is-archive.ts'

/** A context from elsewhere: a tar, or a Dockerfile alone. @throws `unsupported-context`, `download-failed` */
export async function receiveRemote(remote: string, dockerfile: string, parts: ContextParts, signal: AbortSignal): Promise<BuildContext> {
  if (remote === 'client-session') throw new ShoalError('not-implemented', 'unsupported-context', 'BuildKit sessions are not supported by shoal: set DOCKER_BUILDKIT=0, or use "shoal build"')
  if (!/^https?:\/\//.test(remote) || /\.git(#|$)/.test(remote)) throw new ShoalError('not-implemented', 'unsupported-context', `${remote}: a git repository as context is not supported by shoal; clone it and build its directory`)
  const root = await parts.layers.temporaryDirectory()
  const context: BuildContext = { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
  const path = join(root, 'download')
  try {
    const { contentType } = await download(remote, path, signal)
    if (await isArchive(path, parts.kernel.processes)) {
      await using _downloaded = context
      return await receiveContext(createReadStream(path), parts)
    }
    if (contentType !== '' && !/^text\/|octet-stream/.test(contentType)) throw new ShoalError('invalid-argument', 'unsupported-context', `${remote} is ${contentType}, neither a Dockerfile nor a tar`)
    await copyFile(path, join(root, dockerfile === '' || dockerfile.includes('/') ? 'Dockerfile' : dockerfile))
    await rm(path)
    return context
  } catch (error) {
    await context[Symbol.asyncDispose]()
    throw error
  }
}
