import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuildMessage } from '../../../src/api/engine/build-request.ts'
import type { ContainerConfig, Mount } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { ConfinedRoot } from '../files/confined-root.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import { overlayChanges } from '../files/overlay-changes.ts'
import type { Layer } from '../image/layer-store.ts'
import { layersOf, type BuildSession } from './build-session.ts'
import { expandWord } from './expand-word.ts'
import type { Instruction } from './instruction.ts'
import { commandWords, environmentOf, shellOf, visibleVariables, type StageConfig } from './metadata.ts'
import type { Heredoc } from './parse-dockerfile.ts'
import { parseRunMount } from './mount-option.ts'
import type { PreparedMounts } from './run-mounts.ts'
import { prepareMounts, removeMountPoints } from './run-mounts.ts'
import { splitFrames } from './split-frames.ts'
import { changesOf, StepRoot, takeLayer } from './step-root.ts'

type RunInstruction = Extract<Instruction, { readonly kind: 'run' }>

/** The command of a RUN ended with another status than 0. */
export class CommandFailed extends ShoalError {
  readonly exitCode: number
  constructor(command: readonly string[], exitCode: number) {
    super('failed-precondition', 'command-failed', `The command '${command.join(' ')}' returned a non-zero code: ${exitCode}`)
    this.exitCode = exitCode
  }
}

export interface RunPlan {
  readonly command: readonly string[]
  readonly env: readonly string[]
  /** For the history, and what the cache knows it by. */
  readonly createdBy: string
  /** A document that names its own interpreter. */
  readonly script: Heredoc | undefined
}

/** Where a script stands for the step that runs it. */
function scriptPath(document: Heredoc): string { return `/dev/pipes/${document.name}` }

/** What a RUN runs; arguments of the build stand before it in the history, for they decide what it does. */
export function planRun(instruction: RunInstruction, stage: StageConfig, session: Pick<BuildSession, 'args'>): RunPlan {
  const environment = environmentOf(stage.config)
  const visible = [...session.args.visible(environment)].map(([name, value]) => `${name}=${value}`)
  const relevant = session.args.relevant(environment)
  const command = withDocuments(instruction, stage)
  const script = instruction.heredocs.find(document => command[0] === scriptPath(document))
  const options = [...instruction.mounts.map(mount => `--mount=${mount}`), ...(instruction.network === undefined ? [] : [`--network=${instruction.network}`])]
  return {
    command, env: [...stage.config.Env ?? [], ...visible],
    createdBy: [...(relevant.length === 0 ? [] : [`|${relevant.length}`, ...relevant]), ...options, ...command, ...(script === undefined ? [] : [script.content])].join(' '),
    script,
  }
}

/** Runs it in a container of its own. @param openRoot the context, a stage or an image for RUN --mount=type=bind @returns the layer of what it changed */
export async function* runStep(instruction: RunInstruction, plan: RunPlan, stage: StageConfig & { readonly imageId: string }, session: BuildSession, openRoot: (from: string | undefined) => Promise<StepRoot>): AsyncGenerator<BuildMessage, Layer | undefined> {
  const { parts, request } = session
  if (stage.imageId === '') throw new ShoalError('invalid-argument', 'no-file-system', `dockerfile line ${instruction.line}: RUN needs a file system; copy one into the image before it, or use another base than scratch`)
  const variables = visibleVariables(stage.config, session.args)
  const wanted = instruction.mounts.map(text => parseRunMount(expandWord(text, variables, session.escape), workdirOf(stage)))
  await using mounts = await prepareMounts(wanted, {
    caches: session.caches, mounts: parts.kernel.mounts, secretsDirectory: join(parts.root, 'secrets', `${session.token}-${session.next()}`), secrets: request.secrets, openRoot, mapped: parts.mapped,
  })
  const scripts = plan.script === undefined ? [] : [await scriptMount(plan.script, join(session.scratch, `script-${session.next()}`), parts.mapped)]
  const { Id: id } = await parts.containers.create({
    name: `${session.token}-${session.next()}`,
    config: containerConfig(plan, stage, mounts),
    hostConfig: { ...request.hostConfig, LogConfig: { Type: 'none', Config: {} }, Mounts: [...mounts.mounts, ...scripts], ...(instruction.network === undefined ? {} : { NetworkMode: networkMode(instruction) }) },
  })
  let isThere = true
  const remove = async (): Promise<BuildMessage> => {
    isThere = false
    await parts.containers.remove(id, { force: true, volumes: true })
    return { stream: `Removing intermediate container ${id.slice(0, 12)}\n` }
  }
  let keeps = false
  try {
    yield { stream: ` ---> Running in ${id.slice(0, 12)}\n` }
    const exitCode = yield* runToEnd(id, session)
    if (exitCode !== 0) throw new CommandFailed(plan.command, exitCode)
    const layer = await layerOf(id, stage, mounts, session)
    keeps = !request.removeContainers
    if (!keeps) yield await remove()
    return layer
  } catch (error) {
    // Docker leaves the container of a step that failed, for a look at it.
    keeps = !request.alwaysRemoveContainers && !session.signal.aborted
    if (!keeps && !session.signal.aborted) yield await remove()
    throw error
  } finally {
    // Not said: whoever has gone does not listen, and a generator that is ended must not yield.
    if (isThere && !keeps) await remove()
  }
}

async function* runToEnd(id: string, { parts, signal }: BuildSession): AsyncGenerator<BuildMessage, number> {
  const { containers } = parts
  const { stream } = await containers.attach(id, { stdin: false, stdout: true, stderr: true, logs: false, stream: true })
  // A container that stays is found by the daemon's next start (builder.restore).
  const kill = (): void => { containers.remove(id, { force: true, volumes: true }).catch(() => undefined); stream.destroy() }
  try {
    const { result } = await containers.wait(id, 'next-exit', signal)
    result.catch(() => undefined)
    signal.throwIfAborted()
    signal.addEventListener('abort', kill)
    await containers.start(id)
    for await (const { isError, text } of splitFrames(stream)) yield { stream: isError ? `\u001b[91m${text}\u001b[0m` : text }
    signal.throwIfAborted()
    return (await result).StatusCode ?? 0
  } finally {
    signal.removeEventListener('abort', kill)
    stream.destroy()
  }
}

/** Nothing is copied: the changes are moved to where layers are. A container that is to stay keeps them, so a copy is made of it. */
async function layerOf(id: string, stage: { readonly imageId: string }, { mounts }: PreparedMounts, { parts, request }: BuildSession): Promise<Layer | undefined> {
  const { snapshotter, store, kernel } = parts
  const upper = changesOf(snapshotter, id)
  const below = layersOf(store, stage.imageId)
  await removeMountPoints(upper, below, mounts.map(mount => mount.Target ?? ''))
  {
    await using root = await ConfinedRoot.open(upper, { writable: false })
    if ((await overlayChanges(root, below, kernel.mounts)).length === 0) return undefined
  }
  return takeLayer(upper, { layers: store.layers, mounts: kernel.mounts }, { copies: !request.removeContainers })
}

function containerConfig(plan: RunPlan, stage: StageConfig & { readonly imageId: string }, mounts: PreparedMounts): ContainerConfig {
  const { User, WorkingDir, Labels, Volumes } = stage.config
  return {
    Image: stage.imageId, Cmd: plan.command, Entrypoint: [], Env: [...plan.env, ...mounts.env], User, WorkingDir, Labels, Volumes, Healthcheck: { Test: ['NONE'] }, AttachStdout: true, AttachStderr: true,
  } as ContainerConfig
}

async function scriptMount(script: Heredoc, path: string, mapped: MappedFolders | undefined): Promise<Mount> {
  await writeFile(path, script.content)
  await chmod(path, 0o755)
  return { Type: 'bind', Source: mapped?.view(path) ?? path, Target: scriptPath(script), ReadOnly: true, BindOptions: { NonRecursive: true } }
}

/** A document by itself is a script of the shell's; one that a command reads stands behind the command. */
function withDocuments(instruction: RunInstruction, stage: StageConfig): readonly string[] {
  const { command, heredocs } = instruction
  const [first] = heredocs
  if (first === undefined) return commandWords(command, stage.config)
  const text = command.words[0] ?? ''
  if (heredocs.length === 1 && /^<<-?\s*["']?[^\s"']+["']?$/.test(text)) return first.content.startsWith('#!') ? [scriptPath(first)] : [...shellOf(stage.config), first.content]
  return [...shellOf(stage.config), `${text}\n${heredocs.map(document => `${document.content}${document.name}\n`).join('')}`]
}

function workdirOf(stage: StageConfig): string {
  const { WorkingDir: workdir } = stage.config
  return workdir === undefined || workdir === '' ? '/' : workdir
}

function networkMode({ network, line }: RunInstruction): string {
  if (network === 'default' || network === 'none' || network === 'host') return network
  throw new ShoalError('invalid-argument', 'bad-dockerfile', `dockerfile parse error line ${line}: invalid value ${JSON.stringify(network)} for flag network; use default, none or host`)
}
