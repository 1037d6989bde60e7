import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { printProgress } from '../output/progress-lines.ts'
import { addressOf, CredentialStore, encodeCredentials, HUB_ADDRESS } from '../registry/credential-store.ts'
import { pullImage, withTag } from '../registry/pull-image.ts'

const PASSWORD_BYTES_MAX = 64 * 1024

interface LoginOptions { readonly username?: string; readonly password?: string; readonly passwordStdin?: boolean }

/** `shoal pull|push|login|logout` */
export function addRegistryCommands(program: Command, context: CliContext): void {
  program.command('pull').description('Fetch an image from a registry').argument('<image>').option('-a, --all-tags', 'all tags of the repository').option('--platform <os/arch>', 'for another platform than this one').option('-q, --quiet', 'only its name')
    .action(async (image: string, options: { allTags?: boolean; platform?: string; quiet?: boolean }) => {
      await pullImage(context, image, { ...options, isQuiet: options.quiet === true })
      if (options.allTags !== true) print(context, withTag(image))
    })

  program.command('push').description('Send an image to its registry').argument('<image>').option('-a, --all-tags', 'all tags of the repository').option('-q, --quiet', 'only its name')
    .action(async (image: string, options: { allTags?: boolean; quiet?: boolean }) => {
      const [name, tag] = splitTag(image)
      if (options.allTags === true && tag !== undefined) throw new ShoalError('invalid-argument', 'bad-usage', "tag can't be used with --all-tags/-a")
      const credentials = await new CredentialStore(context.environment).get(addressOf(image))
      const stream = await context.api().stream('POST', `/images/${name}/push`, {
        query: options.allTags === true ? {} : { tag: tag ?? 'latest' }, headers: { 'x-registry-auth': encodeCredentials(credentials) }, signal: context.signal,
      })
      await printProgress(context, stream, { isQuiet: options.quiet === true })
      if (options.quiet === true) print(context, options.allTags === true ? name : `${name}:${tag ?? 'latest'}`)
    })

  program.command('login').description('Store credentials for a registry, where the docker CLI keeps them').argument('[registry]').option('-u, --username <name>').option('-p, --password <password>').option('--password-stdin', 'read the password from standard input')
    .action(async (registry: string | undefined, options: LoginOptions) => { await login(context, registry, options) })

  program.command('logout').description('Forget the credentials for a registry').argument('[registry]').action(async (registry: string | undefined) => {
    const address = serverAddress(registry)
    if (!await new CredentialStore(context.environment).erase(address)) return print(context, `Not logged in to ${registry ?? address}`)
    print(context, `Removing login credentials for ${address}`)
  })
}

async function login(context: CliContext, registry: string | undefined, { username, password, passwordStdin }: LoginOptions): Promise<void> {
  if (username === undefined) throw new ShoalError('invalid-argument', 'bad-usage', 'give --username, and --password-stdin or --password')
  if (password === undefined && passwordStdin !== true) throw new ShoalError('invalid-argument', 'bad-usage', 'give --password-stdin or --password')
  if (password !== undefined && passwordStdin === true) throw new ShoalError('invalid-argument', 'bad-usage', '--password and --password-stdin are mutually exclusive')
  if (password !== undefined) context.stderr.write('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n')
  const serveraddress = serverAddress(registry)
  const secret = password ?? await readSecret(context)
  const answer = await context.api().post<{ readonly Status?: string; readonly IdentityToken?: string }>('/auth', { username, password: secret, serveraddress })
  const store = new CredentialStore(context.environment)
  const token = answer.IdentityToken ?? ''
  if (await store.set({ serveraddress, username, ...(token === '' ? { password: secret } : { identitytoken: token }) })) context.stderr.write(`WARNING! Your credentials are stored unencrypted in '${store.path}'.\n`)
  print(context, answer.Status ?? 'Login Succeeded')
}

async function readSecret({ stdin }: CliContext): Promise<string> {
  let text = ''
  for await (const chunk of stdin) text = (text + String(chunk)).slice(0, PASSWORD_BYTES_MAX)
  return text.replace(/[\r\n]+$/, '')
}

function serverAddress(registry: string | undefined): string {
  const host = (registry ?? '').replace(/^https?:\/\//, '').replace(/\/.*$/, '')
  return host === '' || host === 'docker.io' || host === 'index.docker.io' ? HUB_ADDRESS : host
}

/** "host:5000/a:1" to its name and tag. */
export function splitTag(image: string): readonly [name: string, tag: string | undefined] {
  const colon = image.lastIndexOf(':')
  return colon > image.lastIndexOf('/') ? [image.slice(0, colon), image.slice(colon + 1)] : [image, undefined]
}
