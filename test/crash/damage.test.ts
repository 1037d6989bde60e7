/** Records that something else than the daemon has damaged: each is set aside and named, the daemon starts, and nothing else is lost. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { CrashPoint } from '../support/crash-point.ts'
import { CrashWorld } from '../support/crash-world.ts'

const TIMEOUT = { timeout: 120_000 }
const GARBAGE: readonly (readonly [string, string])[] = [['empty', ''], ['cut off', '{"id":"0123'], ['garbage', '\u0000\u0001\u0002'], ['null', 'null'], ['a number', '5'], ['a list', '[]'], ['an empty object', '{}']]
const WRONG_TYPES: readonly unknown[] = [null, 5, 'text', [], {}, true]

async function populated(crash: CrashPoint): Promise<CrashWorld> {
  const world = new CrashWorld(crash)
  await world.boot()
  await world.attempt(async () => {
    for (const name of ['img', 'other']) await world.import(name)
    await world.engine.networks.create({ Name: 'net' })
    for (const Name of ['data', 'more']) await world.engine.volumes.create({ Name })
    for (const name of ['c0', 'c1']) await world.engine.containers.create({ name, config: { Image: 'img', Volumes: { '/anonymous': {} } }, hostConfig: { NetworkMode: 'bridge', Binds: ['data:/data'], RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } } })
    await world.engine.containers.start('c0')
  })
  await world.kill()
  return world
}

function files(root: string, folder: string): readonly string[] {
  const path = join(root, folder)
  return (existsSync(path) ? readdirSync(path, { recursive: true }) : []).map(name => join(folder, String(name))).filter(name => name.endsWith('.json') && statSync(join(root, name)).isFile()).sort()
}
function records(world: CrashWorld): readonly string[] { return ['d/containers', 'd/images', 'd/layers', 'd/networks', 'd/volumes', 'r/sandboxes'].flatMap(folder => files(world.root, folder)) }

/** Everything that a client may ask, so that a record that was let in does no harm later. @returns what there is, by kind and name */
async function inventory({ engine }: CrashWorld): Promise<readonly string[]> {
  const containers = await engine.containers.list({ all: true })
  for (const { Id = '' } of containers) await engine.containers.inspect(Id)
  const networks = await engine.networks.list({})
  for (const { Id = '' } of networks) await engine.networks.inspect(Id)
  const images = await engine.images.list({ all: true })
  for (const { Id = '' } of images) { await engine.images.inspect(Id); await engine.images.history(Id) }
  const { Volumes: volumes } = await engine.volumes.list({}, { size: true })
  await engine.containers.list({ all: true, filters: { status: ['running'], network: ['net'], volume: ['data'], label: ['a'] } })
  return [...containers.map(({ Names }) => `container ${Names?.[0]}`), ...networks.map(({ Name }) => `network ${Name}`), ...images.map(({ Id, RepoTags }) => `image ${RepoTags?.[0] ?? Id}`), ...volumes.filter(({ Name = '' }) => Name.length < 64).map(({ Name }) => `volume ${Name}`)].sort()
}

test('whatever stands in a record, the daemon starts, names it, and loses nothing else', TIMEOUT, async () => {
  using crash = new CrashPoint()
  const sample = await populated(crash)
  const count = records(sample).length
  await sample.dispose()
  for (let at = 0; at < count; at++) {
    for (const [how, text] of GARBAGE) {
      const world = await populated(crash)
      const file = records(world)[at] ?? ''
      const of = `${file} ${how}`
      try {
        await world.boot()
        const before = await inventory(world)
        await world.kill()
        world.logger.lines.length = 0
        writeFileSync(join(world.root, file), text)
        assert.equal(await world.boot(), 'done', of)
        const now = await inventory(world)
        const gone = before.filter(name => !now.includes(name))
        assert.ok(gone.length <= (/names\.json$|layers\//.test(file) ? 2 : 1), `${of}: gone are ${gone.join()}`)
        const told = world.logger.lines.filter(({ level }) => level === 'error' || level === 'warn').map(line => JSON.stringify(line))
        // No names at all is a list of names like any other.
        if (gone.length > 0 && !(basename(file) === 'names.json' && text === '{}')) assert.ok(told.some(line => line.includes(basename(file)) || line.includes(basename(dirname(file)))), `${of}: nothing was said of it: ${told.join()}`)
      } catch (error) {
        throw new Error(`${of}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      } finally {
        await world.dispose()
      }
    }
  }
})

test('a record with a value of another type anywhere does no harm to the others', TIMEOUT, async () => {
  using crash = new CrashPoint()
  const world = await populated(crash)
  try {
    const [sandbox = ''] = files(world.root, 'r/sandboxes')
    for (const file of records(world).filter(name => name.startsWith('d/'))) {
      const path = join(world.root, file)
      const text = readFileSync(path, 'utf8')
      const whole = JSON.parse(text) as Record<string, unknown>
      const inner = Object.entries(whole).filter(([, value]) => typeof value === 'object' && value !== null && !Array.isArray(value)).flatMap(([key, value]) => Object.keys(value as object).map(name => [key, name] as const))
      for (const [at, [key, name]] of [...Object.keys(whole).map(each => [each, undefined] as const), ...inner].entries()) {
        // Of the many inner ones each gets some of the types.
        for (const wrong of WRONG_TYPES.filter((_, which) => name === undefined || which % 3 === at % 3)) {
          // A sound one, which says that it is to be removed.
          if (name === 'AutoRemove' && wrong === true) continue
          const damaged = name === undefined ? { ...whole, [key]: wrong } : { ...whole, [key]: { ...whole[key] as object, [name]: wrong } }
          writeFileSync(path, JSON.stringify(damaged))
          const of = `${file}: ${key}${name === undefined ? '' : `.${name}`} = ${JSON.stringify(wrong)}`
          try {
            assert.equal(await world.boot(), 'done')
            const now = await inventory(world)
            if (!/containers/.test(file)) assert.ok(now.includes('container /c1'), 'c1 is lost')
            assert.ok(existsSync(join(world.root, sandbox)) && world.monitors.length === 1, 'the running container was touched')
          } catch (error) {
            throw new Error(`${of}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
          } finally {
            await world.kill()
          }
        }
      }
      writeFileSync(path, text)
      rmSync(`${path}.new`, { force: true })
    }
  } finally {
    await world.dispose()
  }
})

test('a damaged layer takes its image away and no other, and loading it again mends it', TIMEOUT, async () => {
  using crash = new CrashPoint()
  const world = await populated(crash)
  try {
    await world.boot()
    const { id, diffIds } = world.engine.imageStore.get('img')
    const layer = world.engine.imageStore.layers.directory(diffIds[0] ?? '')
    await world.kill()
    for (const damage of [() => writeFileSync(`${layer}.json`, 'x'), () => rmSync(layer, { recursive: true })]) {
      damage()
      world.logger.lines.length = 0
      await world.boot()
      assert.ok(world.logger.lines.some(({ level, fields }) => level === 'error' && String(fields['reason']).includes(layer)), 'not said')
      assert.deepEqual((await world.engine.images.list({})).flatMap(({ RepoTags }) => RepoTags), ['other:latest'])
      await world.import('img')
      assert.deepEqual(world.engine.imageStore.get('img').diffIds, diffIds)
      assert.ok(existsSync(layer) && existsSync(`${layer}.json`))
      assert.notEqual(id, '')
      await world.kill()
    }
  } finally {
    await world.dispose()
  }
})
