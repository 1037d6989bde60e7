/** How the answers to a command line are compared. */
export interface Comparison {
  readonly input?: string
  /** Run on a terminal of 80 columns; standard error is then part of the output. */
  readonly tty?: true
  /** Ask again, on each daemon, until its normalised output matches. */
  readonly until?: RegExp
  /** For commands that go on: interrupt it as soon as its output matches. */
  readonly cut?: RegExp
  /** Compare only what of standard output matches (all matches, one a line), for output that two runs of one daemon would not agree on. */
  readonly only?: RegExp
  /** Compare the lines of standard output in sorted order. */
  readonly sorted?: true
  /** For scenarios of Shoal alone: what standard output and error together must match, and the exit status (0 unless told). */
  readonly says?: RegExp
  readonly exits?: number
  /** Prepares or cleans up: must succeed on both, output is not compared. */
  readonly quiet?: true
}

/** One command line of the stock CLI, asked of both daemons. */
export interface Step extends Comparison {
  /** After `docker`, split like a shell does (quotes, no expansion). In it `~` is a prefix of this run of the scenario: `--name ~c`; `~dir` its folder, `~disk` a disk of the machine. */
  readonly line: string
}

/** One request of the Engine API: the status is compared, of an error the message, of JSON the names and types of its fields. */
export interface ApiStep {
  /** `METHOD /path?query` below the version; `~` as in Step. */
  readonly api: string
  readonly body?: unknown
  /** Which part of a body is compared; the default is its shape. */
  readonly compare?: 'whole' | 'status'
  /** For scenarios of Shoal alone: what the body must match, and the status (200 unless told). */
  readonly says?: RegExp
  readonly status?: number
  readonly until?: RegExp
}

/** A story that needs nothing but the image busybox:latest and leaves nothing: what it makes is named with `~` and removed after it. */
export interface Scenario {
  /** A sentence of behaviour. */
  readonly name: string
  /** Files to write into `~dir` first, per daemon. A name that ends in `/` is a folder. */
  readonly files?: Readonly<Record<string, string>>
  readonly steps: readonly (string | Step | ApiStep)[]
  /** The clients that can say it; both unless a flag is newer. */
  readonly client?: '28' | '20.10'
  /** Only on Shoal, at the API's newest version: what dockerd 20.10 does not know yet. Each step then says what is expected (`says`), or is quiet. */
  readonly newer?: true
  /** It is there to be refused: its command lines prove no flag. */
  readonly refusals?: true
  /** dockerd waits for something in it: it begins before the others, so that they go on meanwhile. */
  readonly slow?: true
  /** What it touches is seen by other scenarios (prune, system df): it runs when no other does. */
  readonly alone?: true
}

/** A deliberate difference between Shoal and dockerd 20.10. One that no longer differs, or is said in other words, fails the test. */
export interface Difference {
  readonly line: string
  readonly reason: string
  /** What Shoal's standard output and error together say instead. */
  readonly ours?: RegExp
  /** It is a race of the client: some runs show it, others do not. */
  readonly sometimes?: true
}

/** Splits a line as a shell would: blanks separate, single quotes keep all, double quotes keep blanks, a backslash keeps a quote. */
export function words(line: string): string[] {
  const found = line.match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g) ?? []
  return found.map(word => word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g, (_, single?: string, double?: string, escaped?: string) => single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped ?? ''))
}

/** A step that prepares. */
export function quiet(line: string): Step { return { line, quiet: true } }
