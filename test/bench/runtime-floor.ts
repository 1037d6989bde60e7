/**
 * What crun alone costs for a container and an exec as the engine makes them: `node runtime-floor.js RUNTIME-ROOT BUNDLE ROUNDS`, inside a
 * lab host. The bundle is one of the engine's own, so its compiled seccomp filter is in it. Prints p50 in ms as JSON.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { quantile } from './measure.ts'

const [root = '', bundle = '', rounds = '20'] = process.argv.slice(2)
const COUNT = Number(rounds)

interface Spec { readonly process: { readonly args: readonly string[] }; readonly linux: { readonly namespaces: readonly { readonly type: string }[] } }

function crun(...args: readonly string[]): number {
  const beganMs = performance.now()
  // No pipes: a detached container would keep them open.
  const log = join(bundle, 'log')
  const { status } = spawnSync('crun', ['--root', root, '--log', log, ...args], { stdio: 'ignore' })
  if (status !== 0) throw new Error(`crun ${args.join(' ')}: ${readFileSync(log, 'utf8')}`)
  return performance.now() - beganMs
}

/** The network namespace is left out: setting one up is the engine's work, not the runtime's. */
function writeSpec(spec: Spec, args: readonly string[]): void {
  const namespaces = spec.linux.namespaces.filter(each => each.type !== 'network')
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ...spec, process: { ...spec.process, args }, linux: { ...spec.linux, namespaces } }))
}

function repeated(work: () => number): number { return quantile(Array.from({ length: COUNT }, work), 0.5) }

const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Spec
writeSpec(spec, ['true'])
const run = repeated(() => crun('run', '--bundle', bundle, 'floor-run'))
writeSpec(spec, ['sleep', '3600'])
crun('run', '--detach', '--bundle', bundle, 'floor-exec')
const exec = repeated(() => crun('exec', 'floor-exec', 'true'))
crun('delete', '--force', 'floor-exec')
process.stdout.write(JSON.stringify({ run, exec }))
