/** Arguments that may be given without an ARG, and that leave the cache alone unless there is one. */
const PROXIES: readonly string[] = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap(name => [name, name.toLowerCase()])

/** Values of ARGs: those before the first FROM, those of the stage, and what `--build-arg` says. */
export class BuildArguments {
  readonly #given: ReadonlyMap<string, string>
  readonly #platform: ReadonlyMap<string, string>
  readonly #consumed: Set<string>
  readonly #global: Map<string, string | undefined>
  readonly #stage = new Map<string, string | undefined>()

  constructor(given: ReadonlyMap<string, string>, architecture: string) {
    this.#given = given
    const platform = `linux/${architecture}`
    this.#platform = new Map(['TARGET', 'BUILD'].flatMap(side => [[`${side}PLATFORM`, platform], [`${side}OS`, 'linux'], [`${side}ARCH`, architecture], [`${side}VARIANT`, '']] as const))
    this.#consumed = new Set(PROXIES)
    this.#global = new Map()
  }

  /** An ARG before the first FROM. */
  declareGlobal(name: string, fallback: string | undefined): void {
    this.#global.set(name, fallback)
    this.#consumed.add(name)
  }

  /** An ARG of the stage that is being built. */
  declare(name: string, fallback: string | undefined): void {
    this.#stage.set(name, fallback)
    this.#consumed.add(name)
  }

  startStage(): void { this.#stage.clear() }

  /** What a FROM may use. */
  globals(): ReadonlyMap<string, string> {
    const values = new Map(this.#platform)
    for (const [name, fallback] of this.#global) {
      const value = this.#given.get(name) ?? fallback
      if (value !== undefined) values.set(name, value)
    }
    return values
  }

  /** Name and value of all that steps of the stage see, but what the environment has already. */
  visible(environment: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const values = new Map<string, string>()
    for (const name of [...this.#stage.keys(), ...PROXIES]) {
      const value = this.#value(name)
      if (value !== undefined && !environment.has(name)) values.set(name, value)
    }
    return values
  }

  /** Those of visible() that a step's result depends on. */
  relevant(environment: ReadonlyMap<string, string>): readonly string[] {
    return [...this.visible(environment)].filter(([name]) => this.#stage.has(name) || !PROXIES.includes(name)).map(([name, value]) => `${name}=${value}`).sort()
  }

  /** Names given with --build-arg that no ARG asked for. */
  unused(): readonly string[] { return [...this.#given.keys()].filter(name => !this.#consumed.has(name)).sort() }

  #value(name: string): string | undefined {
    const given = this.#given.get(name)
    if (given !== undefined) return given
    const own = this.#stage.get(name)
    if (own !== undefined) return own
    const global = this.#global.get(name)
    if (global !== undefined) return global
    return this.#stage.has(name) ? this.#platform.get(name) : undefined
  }
}
