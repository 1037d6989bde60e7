import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import type { CreateContainerRequest } from '../../agent/engine/engine.ts'
import { createLocalEngine, type LocalEngine, type LocalEngineOptions } from '../../agent/engine/local-engine.ts'
import { CryptoRandom } from '../../src/platform/clock/crypto-random.ts'
import { SystemClock } from '../../src/platform/clock/system-clock.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'

const REPOSITORY = resolve(import.meta.dirname, '../../..')
export const MONITOR = join(REPOSITORY, 'agent/monitor/shoal-monitor')
const APPLETS = ['sh', 'cat', 'echo', 'sleep', 'true', 'false', 'head', 'yes', 'id', 'ls', 'dd', 'grep', 'hostname', 'pwd', 'env', 'mount', 'touch', 'stty', 'seq', 'kill', 'wc', 'rm', 'mkdir', 'printf', 'test', 'trap', 'tr', 'ps']

/** True where real containers can be run: as root, with busybox, a runtime and the monitor. */
export function canRunContainers(): boolean {
  return process.getuid?.() === 0 && existsSync('/bin/busybox') && existsSync(MONITOR) && (existsSync('/usr/bin/crun') || existsSync('/usr/sbin/runc'))
}

export interface EngineFixture extends AsyncDisposable {
  readonly root: string
  readonly logger: MemoryLogger
  engine: LocalEngine
  options: LocalEngineOptions
  /** Opens another engine on the same state, as a daemon that was started again. */
  reopen(): Promise<LocalEngine>
}

/** An engine of its own below /tmp with the image busybox:latest. Disposing removes every container and file. */
export async function createEngineFixture(overrides: Partial<LocalEngineOptions> = {}): Promise<EngineFixture> {
  const root = mkdtempSync('/tmp/shoal-e2e-')
  const logger = new MemoryLogger()
  const options: LocalEngineOptions = {
    dataRoot: join(root, 'data'), execRoot: join(root, 'run'), cgroupParent: `/shoal-e2e-${process.pid}-${root.slice(-6)}`, monitorPath: MONITOR,
    kernel: createLinuxKernel(), clock: new SystemClock(), random: new CryptoRandom(), logger, ...overrides,
  }
  const fixture = {
    root, logger, options, engine: await createLocalEngine(options),
    reopen: async () => {
      fixture.engine = await createLocalEngine(options)
      await fixture.engine.restore()
      return fixture.engine
    },
    [Symbol.asyncDispose]: async () => {
      for (const { Id } of await fixture.engine.containers.list({ all: true })) await fixture.engine.containers.remove(Id ?? '', { force: true, volumes: true })
      await fixture.engine[Symbol.asyncDispose]()
      await options.kernel.cgroups.remove(options.cgroupParent)
      rmSync(root, { recursive: true, force: true })
    },
  }
  await fixture.engine.restore()
  await fixture.engine.images.import(busyboxTar(), { repository: 'busybox', tag: 'latest', changes: ['CMD ["sh"]'] })
  return fixture
}

/** A root filesystem with the statically linked busybox. */
export function busyboxTar(extra: (root: string) => void = () => undefined): Readable {
  const root = mkdtempSync('/tmp/shoal-e2e-rootfs-')
  try {
    for (const name of ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev']) mkdirSync(join(root, name))
    cpSync('/bin/busybox', join(root, 'bin/busybox'))
    for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet))
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/home/web:/bin/sh\n')
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nweb:x:1000:\nlogs:x:4:web\n')
    extra(root)
    return Readable.from([execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-c', '.'], { maxBuffer: 1 << 26 })])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** A create request without networking. */
export function request(cmd: readonly string[], more: { readonly config?: CreateContainerRequest['config']; readonly hostConfig?: CreateContainerRequest['hostConfig']; readonly name?: string } = {}): CreateContainerRequest {
  return { ...(more.name === undefined ? {} : { name: more.name }), config: { Image: 'busybox', Cmd: cmd, ...more.config }, hostConfig: { NetworkMode: 'none', ...more.hostConfig } }
}

/** Creates and starts; resolves with the id and the exit to come. */
export async function run(engine: LocalEngine, create: CreateContainerRequest): Promise<{ readonly id: string; readonly exit: Promise<number> }> {
  const { Id } = await engine.containers.create(create)
  const { result } = await engine.containers.wait(Id, 'next-exit')
  await engine.containers.start(Id)
  return { id: Id, exit: result.then(({ StatusCode }) => StatusCode ?? -1) }
}

/** The text of a framed (or, with tty, plain) stream up to its end. */
export async function textOf(stream: AsyncIterable<unknown>, tty = false): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  if (tty) return bytes.toString()
  let text = ''
  for (let at = 0; at + 8 <= bytes.length; at += 8 + bytes.readUInt32BE(at + 4)) text += bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at + 4)).toString()
  return text
}

export async function logsOf(engine: LocalEngine, id: string): Promise<string> {
  const { stream, tty } = await engine.containers.logs(id, { stdout: true, stderr: true })
  return textOf(stream, tty)
}
