import type { CliContext } from '../cli-context.ts'
import { printProgress } from '../output/progress-lines.ts'
import { addressOf, CredentialStore, encodeCredentials } from './credential-store.ts'

/** Pulls one image, or with `allTags` all of its repository, with the credentials that are stored for its registry. */
export async function pullImage(context: CliContext, image: string, options: { readonly allTags?: boolean; readonly platform?: string; readonly isQuiet?: boolean } = {}): Promise<void> {
  const credentials = await new CredentialStore(context.environment).get(addressOf(image))
  const stream = await context.api().stream('POST', '/images/create', {
    query: { fromImage: options.allTags === true ? image : withTag(image), platform: options.platform }, headers: { 'x-registry-auth': encodeCredentials(credentials) }, signal: context.signal,
  })
  await printProgress(context, stream, options)
}

/** "latest" unless there is a tag or digest. */
export function withTag(image: string): string {
  return /[:@][^/]*$/.test(image) ? image : `${image}:latest`
}
