import type { BuildMessage } from '../../../src/api/engine/build-request.ts'
import { createHexId } from '../../../src/base/ids.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import type { Layer } from '../image/layer-store.ts'
import { baseImage } from './base-image.ts'
import { layersOf, type BuildSession } from './build-session.ts'
import { copyStep, planCopy } from './copy-step.ts'
import { expandWord } from './expand-word.ts'
import type { CopyInstruction, Instruction } from './instruction.ts'
import { applyMetadata, DEFAULT_PATH, environmentOf, shellOf, visibleVariables, type MetadataInstruction, type StageConfig } from './metadata.ts'
import { readTrigger } from './read-instruction.ts'
import { planRun, runStep } from './run-step.ts'
import { addStepImage } from './step-image.ts'
import { StepRoot } from './step-root.ts'
import { makeWorkdir, workdirPath } from './workdir-step.ts'

/** A stage as far as it is built. */
interface Stage extends StageConfig {
  readonly name: string | undefined
  /** '' before anything is in it. */
  readonly imageId: string
  /** A step was not in the cache, so what follows cannot be. */
  readonly isFresh: boolean
}

type Steps = AsyncGenerator<BuildMessage, void>

/** One build: its steps one after the other, each of which makes an image of the one before. Messages are those of Docker's classic builder. */
export class Build {
  readonly #session: BuildSession
  readonly #stages: Stage[] = []

  constructor(session: BuildSession) { this.#session = session }

  /** The result's id; '' when there is none. */
  get imageId(): string { return this.#stages.at(-1)?.imageId ?? '' }

  /** Whether a step to come may need this image. */
  isUsing(imageId: string): boolean { return this.#stages.some(stage => stage.imageId === imageId) }

  async *run(instructions: readonly Instruction[]): Steps {
    const { signal, args } = this.#session
    for (const [index, instruction] of instructions.entries()) {
      signal.throwIfAborted()
      if (instruction.kind === 'from' && this.imageId !== '') yield { aux: { ID: this.imageId } }
      if (instruction.kind === 'from' && instruction.name !== undefined && this.#stages.some(stage => stage.name === instruction.name)) throw invalid(`${instruction.name} stage name already used`)
      yield { stream: `Step ${index + 1}/${instructions.length} : ${instruction.original}` }
      yield { stream: '\n' }
      if (instruction.kind === 'arg' && this.#stages.length === 0) {
        for (const [name, value] of instruction.args) args.declareGlobal(name, value === undefined ? undefined : this.#expandGlobal(value))
        continue
      }
      yield* this.#step(instruction)
      yield { stream: ` ---> ${this.imageId.slice(7, 19)}\n` }
    }
    if (this.imageId !== '') yield { aux: { ID: this.imageId } }
  }

  async *#step(instruction: Instruction): Steps {
    switch (instruction.kind) {
      case 'from': return yield* this.#from(instruction)
      case 'run': return yield* this.#run(instruction)
      case 'copy': case 'add': return yield* this.#copy(instruction)
      case 'workdir': return yield* this.#workdir(instruction)
      default: return yield* this.#metadata(instruction)
    }
  }

  async *#from(instruction: Extract<Instruction, { readonly kind: 'from' }>): Steps {
    const { args, parts, request } = this.#session
    const name = this.#expandGlobal(instruction.image)
    if (name === '') throw invalid(`base name (${instruction.image}) should not be blank`)
    const platform = instruction.platform === undefined ? request.platform : this.#expandGlobal(instruction.platform)
    const earlier = this.#stages.find(stage => stage.name === name.toLowerCase())
    const imageId = earlier !== undefined ? earlier.imageId : name === 'scratch' ? '' : yield* baseImage(name, platform, this.#session)
    const file = imageId === '' ? undefined : parts.store.get(imageId).file
    const config = file?.config ?? {}
    const triggers = config.OnBuild ?? []
    args.startStage()
    const env = environmentOf(config).has('PATH') ? config.Env ?? [] : [...config.Env ?? [], DEFAULT_PATH]
    this.#stages.push({
      name: instruction.name, imageId, author: file?.author ?? '', hasCmd: false, isFresh: false,
      config: { ...config, Env: env, ...(triggers.length === 0 ? {} : { OnBuild: null as unknown as readonly string[] }) },
    })
    if (triggers.length > 0) yield { stream: `# Executing ${triggers.length} build trigger${triggers.length === 1 ? '' : 's'}\n` }
    for (const trigger of triggers) yield* this.#step(readTrigger(trigger, this.#session.escape))
  }

  async *#metadata(instruction: MetadataInstruction): Steps {
    const test = this.#stage.config.Healthcheck?.Test ?? []
    if (instruction.kind === 'healthcheck' && test.length > 0 && test[0] !== 'NONE') yield { stream: `Note: overriding previous HEALTHCHECK: [${test.join(' ')}]\n` }
    const { stage, comment } = applyMetadata(this.#stage, instruction, this.#session)
    const createdBy = [...shellOf(stage.config), '#(nop) ', comment].join(' ')
    if (await this.#fromCache(stage, createdBy)) { yield { stream: ' ---> Using cache\n' }; return }
    yield* this.#asContainer()
    await this.#commit(stage, createdBy, undefined)
  }

  async *#workdir(instruction: Extract<Instruction, { readonly kind: 'workdir' }>): Steps {
    const stage = this.#stage
    const path = workdirPath(stage.config.WorkingDir, this.#expand(instruction.value))
    const after = { ...stage, config: { ...stage.config, WorkingDir: path } }
    const createdBy = [...shellOf(stage.config), '#(nop)', `WORKDIR ${path}`].join(' ')
    if (await this.#fromCache(after, createdBy)) { yield { stream: ' ---> Using cache\n' }; return }
    yield* this.#asContainer()
    await this.#commit(after, createdBy, await makeWorkdir(path, stage.imageId, this.#session))
  }

  async *#run(instruction: Extract<Instruction, { readonly kind: 'run' }>): Steps {
    const stage = this.#stage
    const plan = planRun(instruction, stage, this.#session)
    if (await this.#fromCache(stage, plan.createdBy)) { yield { stream: ' ---> Using cache\n' }; return }
    const layer = yield* runStep(instruction, plan, stage, this.#session, from => this.#openRoot(from))
    await this.#commit(stage, plan.createdBy, layer)
  }

  async *#copy(instruction: CopyInstruction): Steps {
    const stage = this.#stage
    const from = instruction.from === undefined ? undefined : this.#expand(instruction.from)
    await using source = from === undefined ? undefined : await this.#openImage(yield* this.#sourceImage(from))
    const plan = await planCopy({ ...instruction, from }, stage, source?.root ?? this.#session.contextRoot, this.#session)
    if (await this.#fromCache(stage, plan.createdBy)) { yield { stream: ' ---> Using cache\n' }; return }
    await this.#commit(stage, plan.createdBy, await copyStep(plan, stage.imageId, this.#session))
  }

  /** Docker makes a container even of steps that run nothing, and says so. Nothing would be in it, so we only say the words that clients look for (D-322). */
  async *#asContainer(): Steps {
    const id = createHexId(this.#session.parts.random).slice(0, 12)
    yield { stream: ` ---> Running in ${id}\n` }
    if (this.#session.request.removeContainers) yield { stream: `Removing intermediate container ${id}\n` }
    await Promise.resolve()
  }

  async #fromCache(after: StageConfig, createdBy: string): Promise<boolean> {
    const { cache, request } = this.#session
    const stage = this.#stage
    if (request.noCache || stage.isFresh) return false
    const found = await cache.find({ parent: stage.imageId, stage: stageConfig(after), createdBy })
    this.#stage = found === undefined ? { ...stage, isFresh: true } : { ...stage, ...stageConfig(after), imageId: found }
    return found !== undefined
  }

  async #commit(after: StageConfig, createdBy: string, layer: Layer | undefined): Promise<void> {
    const { parts: { store, architecture, clock }, signal } = this.#session
    const stage = this.#stage
    signal.throwIfAborted()
    const unpin = layer === undefined ? undefined : await store.pin([layer.diffId])
    try {
      // The same layer may have been another image's, which was deleted before it was pinned.
      if (layer !== undefined && await store.layers.get(layer.diffId) === undefined) throw new ShoalError('unavailable', 'layer-gone', 'an image with the same layer was removed while it was built; build again')
      const image = await addStepImage(store, architecture, { parent: stage.imageId, stage: stageConfig(after), createdBy, diffId: layer?.diffId, created: new Date(clock.nowMs()).toISOString() })
      this.#finish(after, image.id)
    } finally {
      await unpin?.()
    }
  }

  #finish(after: StageConfig, imageId: string): void {
    const stage = this.#stage
    this.#stage = { ...stage, ...stageConfig(after), imageId, isFresh: true }
  }

  /** A stage by number or name, or an image. */
  async *#sourceImage(from: string): AsyncGenerator<BuildMessage, string> {
    const current = this.#stages.length - 1
    if (/^\d+$/.test(from)) {
      if (Number(from) === current) throw invalid(`invalid from flag value ${from}: refers to current build stage`)
      const stage = this.#stages[Number(from)]
      if (stage === undefined) throw invalid(`invalid from flag value ${from}: index out of bounds`)
      return stage.imageId
    }
    const index = this.#stages.findIndex(stage => stage.name === from.toLowerCase())
    if (index === current) throw invalid(`invalid from flag value ${from}: refers to current build stage`)
    if (index >= 0) return this.#stages[index]?.imageId ?? ''
    try {
      return yield* baseImage(from, '', this.#session)
    } catch (error) {
      throw error instanceof ShoalError ? new ShoalError(error.kind, error.code, `invalid from flag value ${from}: ${error.message}`, { cause: error }) : error
    }
  }

  /** For a container of the build to see. */
  async #openRoot(from: string | undefined): Promise<StepRoot> {
    const { mapped } = this.#session.parts
    if (from === undefined) return this.#open([this.#session.contextRoot], mapped)
    const source = this.#sourceImage(from)
    // Whatever a pull tells here has no place in the output of a step.
    for (let next = await source.next(); ; next = await source.next()) if (next.done === true) return this.#openImage(next.value, mapped)
  }

  #openImage(imageId: string, mapped?: MappedFolders): Promise<StepRoot> { return this.#open(layersOf(this.#session.parts.store, imageId), mapped) }

  #open(layers: readonly string[], mapped?: MappedFolders): Promise<StepRoot> {
    const { parts: { snapshotter, store, kernel }, token } = this.#session
    return StepRoot.open(`${token}-${this.#session.next()}`, layers, { snapshotter, layers: store.layers, mounts: kernel.mounts }, mapped)
  }

  get #stage(): Stage {
    const stage = this.#stages.at(-1)
    if (stage === undefined) throw invalid('no build stage in current context')
    return stage
  }

  set #stage(stage: Stage) { this.#stages[this.#stages.length - 1] = stage }

  #expand(word: string): string { return expandWord(word, visibleVariables(this.#stage.config, this.#session.args), this.#session.escape) }
  #expandGlobal(word: string): string { return expandWord(word, this.#session.args.globals(), this.#session.escape) }
}

function stageConfig({ config, author, hasCmd }: StageConfig): StageConfig { return { config, author, hasCmd } }
function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'bad-dockerfile', message) }
