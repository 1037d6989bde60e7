import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { buildQuery, secretsHeader, type BuildFlags } from '../build/build-flags.ts'
import { buildSource } from '../build/build-source.ts'
import { registryConfig } from '../build/registry-config.ts'
import type { CliContext } from '../cli-context.ts'
import { collect } from './collect.ts'

interface Message { readonly stream?: string; readonly status?: string; readonly id?: string; readonly error?: string; readonly errorDetail?: { readonly code?: number }; readonly aux?: { readonly ID?: string } }

/** `shoal build` */
export function addBuildCommand(program: Command, context: CliContext): void {
  program.command('build').description('Build an image from a Dockerfile').argument('<path>', 'directory, URL of a tar or Dockerfile, or - for one on standard input')
    .option('-t, --tag <name:tag>', 'name of the result', collect).option('-f, --file <path>', 'Dockerfile; - for standard input').option('--build-arg <name=value>', 'value of an ARG', collect)
    .option('--target <stage>', 'stage to stop at').option('--no-cache', 'do every step anew').option('--pull', 'ask registries for newer base images')
    .option('--no-rm', 'keep the containers of steps').option('--force-rm', 'remove the container of a step that fails, too').option('-q, --quiet', 'only the id of the result')
    .option('--label <name=value>', 'label of the result', collect).option('--network <mode>', 'network of RUN').option('--platform <os/arch>', 'platform of base images')
    .option('--cache-from <image>', 'image whose steps count as cache', collect).option('--add-host <name:ip>', 'line of /etc/hosts', collect)
    .option('-m, --memory <bytes>', 'memory of RUN').option('--shm-size <bytes>', 'size of /dev/shm').option('--ulimit <name=soft:hard>', 'limit of RUN', collect)
    .option('--secret <id=name,src=file>', 'secret for RUN --mount=type=secret; or id=…,env=NAME', collect).option('--iidfile <path>', 'write the id of the result there')
    .action(async (path: string, flags: BuildFlags) => {
      const { body, remote, dockerfile } = await buildSource(path, flags.file, context.stdin)
      const credentials = await registryConfig(context.environment)
      const headers = {
        ...(flags.secret === undefined ? {} : { 'x-shoal-build-secrets': await secretsHeader(flags.secret, context.environment) }),
        ...(credentials === undefined ? {} : { 'x-registry-config': credentials }),
      }
      const stream = await context.api().stream('POST', '/build', { query: { ...buildQuery(flags, context.environment), dockerfile, remote }, headers, body, signal: context.signal })
      await show(context, stream, flags)
    })
}

async function show(context: CliContext, stream: AsyncIterable<unknown>, flags: BuildFlags): Promise<void> {
  let id = ''
  for await (const { stream: text, status, id: layer, error, errorDetail, aux } of messages(stream)) {
    if (error !== undefined) {
      context.stderr.write(`${error}\n`)
      context.setExitCode(errorDetail?.code ?? 1)
      return
    }
    if (text !== undefined) context.stdout.write(text)
    else if (status !== undefined) context.stdout.write(`${layer === undefined || layer === '' ? '' : `${layer}: `}${status}\n`)
    id = aux?.ID ?? (flags.quiet === true && text !== undefined ? text.trim() : id)
  }
  if (flags.iidfile !== undefined) await writeFile(flags.iidfile, id)
}

async function* messages(stream: AsyncIterable<unknown>): AsyncIterable<Message> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as Message
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as Message
}
