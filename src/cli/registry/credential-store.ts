import { spawn } from 'node:child_process'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { ShoalError } from '../../base/errors.ts'

/** Credentials for one registry, in the names of the API. */
export interface Credentials { readonly username?: string; readonly password?: string; readonly identitytoken?: string; readonly serveraddress: string }

/** The part of the docker CLI's configuration that this file knows; whatever else is in it stays. */
interface ConfigFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>
  readonly credsStore?: string
  readonly credHelpers?: Readonly<Record<string, string>>
}

/** What the docker CLI calls Docker Hub. */
export const HUB_ADDRESS = 'https://index.docker.io/v1/'

/** Passwords for registries, where the docker CLI keeps them, so that both know the same: $DOCKER_CONFIG/config.json, or the helper program that it names. */
export class CredentialStore {
  readonly #path: string

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#path = join(environment['DOCKER_CONFIG'] ?? join(environment['HOME'] ?? homedir(), '.docker'), 'config.json')
  }

  get path(): string { return this.#path }

  async get(address: string): Promise<Credentials | undefined> {
    const config = await this.#read()
    const helper = helperOf(config, address)
    if (helper !== undefined) return fromHelper(helper, address)
    const entry = config.auths?.[address]
    if (entry === undefined) return undefined
    const text = Buffer.from(entry.auth ?? '', 'base64').toString()
    const colon = text.indexOf(':')
    return { serveraddress: address, ...(colon > 0 ? { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') } : {}), ...(entry.identitytoken === undefined ? {} : { identitytoken: entry.identitytoken }) }
  }

  /** @returns true when the password now stands readable in a file */
  async set({ serveraddress, username = '', password = '', identitytoken }: Credentials): Promise<boolean> {
    const config = await this.#read()
    const helper = helperOf(config, serveraddress)
    if (helper !== undefined) {
      await runHelper(helper, 'store', JSON.stringify({ ServerURL: serveraddress, Username: identitytoken === undefined ? username : '<token>', Secret: identitytoken ?? password }))
      return false
    }
    const auth = Buffer.from(`${username}:${identitytoken === undefined ? password : ''}`).toString('base64')
    await this.#write({ ...config, auths: { ...config.auths, [serveraddress]: { auth, ...(identitytoken === undefined ? {} : { identitytoken }) } } })
    return true
  }

  /** False when there were none. */
  async erase(address: string): Promise<boolean> {
    const config = await this.#read()
    const helper = helperOf(config, address)
    if (helper !== undefined) await runHelper(helper, 'erase', address)
    if (config.auths?.[address] === undefined) return helper !== undefined
    await this.#write({ ...config, auths: Object.fromEntries(Object.entries(config.auths).filter(([name]) => name !== address)) })
    return true
  }

  async #read(): Promise<ConfigFile> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return '{}'; throw error })
    try {
      return JSON.parse(text) as ConfigFile
    } catch (cause) {
      throw new ShoalError('invalid-argument', 'bad-cli-config', `${this.#path} is not JSON; correct or remove it`, { cause })
    }
  }

  async #write(config: ConfigFile): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFile(`${this.#path}.new`, `${JSON.stringify(config, null, '\t')}\n`, { mode: 0o600 })
    await rename(`${this.#path}.new`, this.#path)
  }
}

/** The registry that an image name begins with, as credentials are kept under. */
export function addressOf(image: string): string {
  const slash = image.indexOf('/')
  const first = slash < 0 ? '' : image.slice(0, slash)
  const isDomain = first !== '' && (/[.:]/.test(first) || first === 'localhost')
  return !isDomain || first === 'docker.io' || first === 'index.docker.io' ? HUB_ADDRESS : first
}

/** The header X-Registry-Auth. */
export function encodeCredentials(credentials: Credentials | undefined): string {
  return Buffer.from(JSON.stringify(credentials ?? {})).toString('base64url')
}

function helperOf(config: ConfigFile, address: string): string | undefined {
  const name = config.credHelpers?.[address] ?? config.credsStore
  return name === undefined || name === '' ? undefined : `docker-credential-${name}`
}

async function fromHelper(helper: string, address: string): Promise<Credentials | undefined> {
  const { code, output } = await runHelper(helper, 'get', address)
  if (code !== 0) return undefined
  const { Username = '', Secret = '' } = JSON.parse(output) as { readonly Username?: string; readonly Secret?: string }
  return Username === '<token>' ? { serveraddress: address, identitytoken: Secret } : { serveraddress: address, username: Username, password: Secret }
}

/** The protocol of credential helpers: a verb as argument, the rest on standard input. */
function runHelper(helper: string, verb: 'get' | 'store' | 'erase', input: string): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(helper, [verb], { stdio: ['pipe', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', chunk => { output += String(chunk) })
    child.once('error', cause => reject(new ShoalError('failed-precondition', 'bad-cli-config', `cannot run the credential helper ${helper}: ${cause.message}; install it, or take it out of config.json`, { cause })))
    child.once('close', code => {
      if (code !== 0 && verb === 'store') reject(new ShoalError('failed-precondition', 'bad-cli-config', `${helper} does not store the credentials: ${output.trim()}`))
      else resolve({ code: code ?? 1, output })
    })
    child.stdin.on('error', () => child.stdin.destroy())
    child.stdin.end(input)
  })
}
