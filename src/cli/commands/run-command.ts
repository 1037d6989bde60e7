import type { Duplex } from 'node:stream'
import type { Command } from 'commander'
import { messageOf, ShoalError } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { readFrames } from '../output/framed-stream.ts'
import { parseBytes } from '../output/human.ts'
import { runExitCode } from '../output/run-exit-code.ts'
import { pullImage, withTag } from '../registry/pull-image.ts'
import { parseMount, parsePublish, splitWords } from '../service/flag-values.ts'
import type { JsonObject } from '../service/json-path.ts'
import { collect } from './collect.ts'

interface RunOptions {
  readonly detach?: boolean; readonly rm?: boolean; readonly interactive?: boolean; readonly tty?: boolean; readonly init?: boolean; readonly readOnly?: boolean; readonly privileged?: boolean
  readonly name?: string; readonly hostname?: string; readonly user?: string; readonly workdir?: string; readonly entrypoint?: string; readonly network?: string; readonly restart?: string; readonly memory?: string; readonly cpus?: string
  readonly pidsLimit?: string; readonly stopSignal?: string
  readonly env?: readonly string[]; readonly label?: readonly string[]; readonly publish?: readonly string[]; readonly volume?: readonly string[]; readonly mount?: readonly string[]; readonly capAdd?: readonly string[]; readonly capDrop?: readonly string[]
}

/** `shoal run`: create, start, and stay with it unless detached. */
export function addRunCommand(program: Command, context: CliContext): void {
  program.command('run').description('Run a container on this host').argument('<image>').argument('[command...]').passThroughOptions()
    .option('-d, --detach', 'leave it in the background').option('--rm', 'remove it when it ends').option('-i, --interactive', 'keep standard input open').option('-t, --tty', 'give it a terminal').option('--init', 'run an init in it').option('--read-only', 'root file system read-only').option('--privileged', 'all capabilities')
    .option('--name <name>').option('-h, --hostname <name>').option('-u, --user <user>').option('-w, --workdir <dir>').option('--entrypoint <command>').option('--network <network>').option('--restart <policy>', 'no, always, unless-stopped, on-failure[:n]')
    .option('-m, --memory <size>', 'memory limit').option('--cpus <number>', 'CPU limit').option('--pids-limit <count>').option('--stop-signal <signal>')
    .option('-e, --env <name=value>', 'environment variable', collect).option('-l, --label <key=value>', 'label', collect).option('-p, --publish <port>', 'publish a port', collect).option('-v, --volume <volume>', 'source:target[:ro]', collect)
    .option('--mount <mount>', 'file system mount', collect).option('--cap-add <capability>', 'add a capability', collect).option('--cap-drop <capability>', 'drop a capability', collect)
    .action(async (image: string, words: readonly string[], options: RunOptions) => {
      try {
        await runContainer(context, image, words, options)
      } catch (error) {
        context.signal.throwIfAborted()
        context.stderr.write(`${messageOf(error)}\n`)
        context.setExitCode(runExitCode(error))
      }
    })
}

async function runContainer(context: CliContext, image: string, words: readonly string[], options: RunOptions): Promise<void> {
  const api = context.api()
  const created = await createPulling(context, image, async () => api.post<Created>('/containers/create', createBody(image, words, options), { name: options.name }))
  for (const warning of created.Warnings ?? []) context.stderr.write(`WARNING: ${warning}\n`)
  if (options.detach === true) {
    await api.post(`/containers/${created.Id}/start`)
    return print(context, created.Id)
  }
  const stream = await api.hijack(`/containers/${created.Id}/attach`, { query: { stream: true, stdout: true, stderr: true, stdin: options.interactive === true } })
  const waiting = new AbortController()
  const ended = api.json<{ StatusCode: number }>('POST', `/containers/${created.Id}/wait`, { query: { condition: options.rm === true ? 'removed' : 'next-exit' }, signal: waiting.signal })
  const copied = options.tty === true ? copyRaw(stream, context) : copyFrames(stream, context)
  // Neither floats when the start fails; what they say then matters to nobody.
  const settled = Promise.allSettled([ended, copied])
  if (options.interactive === true) sendInput(stream, context, options.tty === true)
  try {
    await api.post(`/containers/${created.Id}/start`)
    await copied
    context.setExitCode((await ended).StatusCode)
  } finally {
    if (options.tty === true) context.stdin.setRawMode?.(false)
    stream.destroy()
    waiting.abort()
    context.stdin.pause()
    await settled
  }
}

interface Created { readonly Id: string; readonly Warnings?: readonly string[] | null }

/** An image that is not there is pulled first; what the pull says goes where errors go, so that output stays the container's. */
async function createPulling(context: CliContext, image: string, create: () => Promise<Created>): Promise<Created> {
  try {
    return await create()
  } catch (error) {
    if (!(error instanceof ShoalError) || error.kind !== 'not-found' || !/No such image/.test(error.message)) throw error
  }
  context.stderr.write(`Unable to find image '${withTag(image)}' locally\n`)
  await pullImage({ ...context, stdout: context.stderr }, image)
  return create()
}

function createBody(image: string, words: readonly string[], options: RunOptions): JsonObject {
  const ports = (options.publish ?? []).flatMap(text => parsePublish(text))
  const bindings: Record<string, JsonObject[]> = {}
  for (const port of ports) (bindings[`${Number(port['TargetPort'])}/${String(port['Protocol'])}`] ??= []).push({ HostPort: port['PublishedPort'] === undefined ? '' : String(port['PublishedPort']) })
  const attached = options.detach !== true
  return {
    Image: image, ...(words.length > 0 ? { Cmd: words } : {}), ...(options.entrypoint === undefined ? {} : { Entrypoint: splitWords(options.entrypoint) }),
    Env: options.env ?? [], Labels: Object.fromEntries((options.label ?? []).map(text => { const at = text.indexOf('='); return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)] })),
    Hostname: options.hostname ?? '', User: options.user ?? '', WorkingDir: options.workdir ?? '', Tty: options.tty === true, OpenStdin: options.interactive === true, StdinOnce: options.interactive === true && attached,
    AttachStdin: options.interactive === true && attached, AttachStdout: attached, AttachStderr: attached, ExposedPorts: Object.fromEntries(Object.keys(bindings).map(key => [key, {}])),
    ...(options.stopSignal === undefined ? {} : { StopSignal: options.stopSignal }),
    HostConfig: {
      AutoRemove: options.rm === true, NetworkMode: options.network ?? 'default', PortBindings: bindings, Binds: options.volume ?? [], Mounts: (options.mount ?? []).map(text => parseMount(text)), Privileged: options.privileged === true,
      ReadonlyRootfs: options.readOnly === true, RestartPolicy: restartPolicy(options.restart ?? 'no'), CapAdd: options.capAdd ?? null, CapDrop: options.capDrop ?? null, ...(options.init === true ? { Init: true } : {}),
      ...(options.memory === undefined ? {} : { Memory: parseBytes(options.memory) ?? fail(`invalid memory limit ${options.memory}`) }), ...(options.cpus === undefined ? {} : { NanoCpus: Math.round(Number(options.cpus) * 1e9) }),
      ...(options.pidsLimit === undefined ? {} : { PidsLimit: Number(options.pidsLimit) }),
    },
  }
}

function fail(message: string): never { throw new ShoalError('invalid-argument', 'bad-flag', message) }

function restartPolicy(text: string): JsonObject {
  const [name = '', count] = text.split(':')
  if (!['no', 'always', 'unless-stopped', 'on-failure'].includes(name)) fail(`invalid restart policy ${text}`)
  return { Name: name, MaximumRetryCount: Number(count ?? 0) }
}

async function copyFrames(stream: Duplex, context: CliContext): Promise<void> {
  for await (const frame of readFrames(stream)) (frame.stream === 2 ? context.stderr : context.stdout).write(frame.data)
}
async function copyRaw(stream: Duplex, context: CliContext): Promise<void> {
  for await (const chunk of stream) context.stdout.write(chunk as Buffer)
}
function sendInput(stream: Duplex, context: CliContext, tty: boolean): void {
  if (tty && context.stdin.isTTY === true) context.stdin.setRawMode?.(true)
  context.stdin.pipe(stream)
}
