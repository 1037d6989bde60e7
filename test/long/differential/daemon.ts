import { spawn } from 'node:child_process'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiStep, Comparison } from '../cases/case.ts'
import { normalise, shapeOf } from './normalise.ts'

/** What dockerd 20.10 speaks; a newer CLI then formats both answers alike. */
export const API_VERSION = '1.41'
/** Long enough for a machine that does much else: a run that goes well never waits for it. */
const UNTIL_MS = 120_000
const COMMAND_TIMEOUT_MS = 180_000

export interface Answer { readonly status: number; readonly stdout: string; readonly stderr: string }
/** A command line in words. */
export interface Command extends Comparison { readonly args: readonly string[] }
/** Where a scenario runs: the CLI, the prefix `~` stands for, and the folder that is its working directory. */
export interface Place { readonly program: string; readonly prefix: string; readonly folder: string; readonly newestApi?: true }

/** A daemon behind a Unix socket, as the stock CLI and a plain HTTP client see it. */
export class Daemon {
  readonly #socketPath: string

  constructor(socketPath: string) { this.#socketPath = socketPath }

  async ask(step: Command | ApiStep, place: Place): Promise<Answer> {
    const endMs = performance.now() + UNTIL_MS
    for (;;) {
      const answer = 'api' in step ? await this.#request(step, place) : await this.#command(step, place)
      if (step.until === undefined || step.until.test(answer.stdout) || performance.now() > endMs) return answer
      await sleep(200)
    }
  }

  /** Removes whatever carries the prefix. */
  async clean(prefix: string): Promise<void> {
    const containers = await this.#list(`/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify({ name: [prefix] }))}`) as readonly { Id: string }[]
    await Promise.all(containers.map(async each => this.#call('DELETE', `/containers/${each.Id}?force=1&v=1`)))
    const images = await this.#list('/images/json') as readonly { RepoTags: readonly string[] | null }[]
    const tags = images.flatMap(each => each.RepoTags ?? []).filter(tag => tag.includes(prefix))
    await Promise.all(tags.map(async tag => this.#call('DELETE', `/images/${tag}?force=1`)))
    const networks = await this.#list('/networks') as readonly { Id: string; Name: string }[]
    // Twice, as one may be the configuration of another.
    for (let round = 0; round < 2; round++) await Promise.all(networks.filter(each => each.Name.includes(prefix)).map(async each => this.#call('DELETE', `/networks/${each.Id}`)))
    const { Volumes } = await this.#list('/volumes') as { readonly Volumes: readonly { Name: string }[] | null }
    await Promise.all((Volumes ?? []).filter(each => each.Name.includes(prefix)).map(async each => this.#call('DELETE', `/volumes/${each.Name}?force=1`)))
  }

  async #list(path: string): Promise<unknown> {
    const { status, body } = await this.#call('GET', path)
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`)
    return JSON.parse(body)
  }

  async #command(step: Command, place: Place): Promise<Answer> {
    const output = await this.#run(step, place)
    const plain = (text: string): string => normalise(text.replaceAll(place.folder, '~dir').replaceAll(place.prefix, '~'))
    const stdout = plain(output.stdout)
    const kept = step.only === undefined ? stdout : (stdout.match(new RegExp(step.only, 'gm')) ?? []).join('\n')
    return { status: output.status, stdout: step.sorted === true ? kept.split('\n').sort().join('\n') : kept, stderr: plain(output.stderr) }
  }

  async #run(step: Command, place: Place): Promise<Answer> {
    const version = place.newestApi === true ? {} : { DOCKER_API_VERSION: API_VERSION }
    const env = { ...process.env, ...version, DOCKER_HOST: `unix://${this.#socketPath}`, DOCKER_CLI_HINTS: 'false', DOCKER_BUILDKIT: '0', DOCKER_CONFIG: `${place.folder}/.docker`, COLUMNS: '80', LINES: '24' }
    const [program, programArgs] = step.tty === true ? ['script', ['-qefc', `stty cols 80 rows 24; exec ${[place.program, ...step.args].map(quote).join(' ')}`, '/dev/null']] : [place.program, step.args]
    return new Promise((resolve, reject) => {
      const child = spawn(program, [...programArgs], { env, cwd: place.folder, stdio: ['pipe', 'pipe', 'pipe'] })
      const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS)
      let stdout = ''
      let stderr = ''
      let isCut = false
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        if (isCut || step.cut?.test(stdout) !== true) return
        isCut = true
        child.kill('SIGINT')
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
      child.stdin.on('error', () => child.stdin.destroy())
      // A terminal's end of input is a character of its own: script sends it when its input ends, before the program may have read.
      if (step.tty !== true || step.input !== undefined) child.stdin.end(step.input ?? '')
      child.on('error', reject)
      child.on('close', (code, signal) => { clearTimeout(timer); resolve({ status: code ?? 256, stdout: signal === 'SIGKILL' ? `${stdout}\n(did not end)` : stdout, stderr }) })
    })
  }

  async #request(step: ApiStep, place: Place): Promise<Answer> {
    const [method = '', path = ''] = step.api.replaceAll('~', place.prefix).split(' ')
    const { status, body } = await this.#call(method, place.newestApi === true ? `/v1.50${path}` : path, step.body === undefined ? undefined : JSON.stringify(step.body).replaceAll('~', place.prefix))
    return { status, stdout: normalise(compared(status, body, step.compare).replaceAll(place.prefix, '~')), stderr: '' }
  }

  async #call(method: string, path: string, body?: string): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const request = http.request({ socketPath: this.#socketPath, method, path: path.startsWith('/v1.') ? path : `/v${API_VERSION}${path}`, headers, agent: false }, response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
      })
      request.on('error', reject)
      request.end(body)
    })
  }
}

function compared(status: number, body: string, how: ApiStep['compare']): string {
  if (how === 'status') return ''
  if (how === 'whole' || status >= 400 || !/^[[{]/.test(body)) return body
  return shapeOf(JSON.parse(body)).join('\n')
}

function quote(word: string): string { return `'${word.replaceAll("'", String.raw`'\''`)}'` }
