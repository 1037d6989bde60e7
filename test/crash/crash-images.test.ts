/** The daemon killed at every single effect of what it does with images, and started again. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { crashAtEveryStep, type CrashWorld } from '../support/crash-world.ts'

const TIMEOUT = { timeout: 120_000 }

/** Names that stand for an image, and the number of images without one. */
async function images(world: CrashWorld): Promise<{ readonly names: string; readonly nameless: number }> {
  const all = await world.engine.images.list({ all: true })
  for (const { Id = '' } of all) await world.engine.images.inspect(Id)
  const tags = all.flatMap(({ RepoTags }) => RepoTags ?? []).filter(name => !name.startsWith('<none>'))
  return { names: tags.sort().join(), nameless: all.filter(({ RepoTags }) => (RepoTags ?? []).length === 0 || RepoTags?.[0]?.startsWith('<none>') === true).length }
}

/** Nothing is lost that was there; what is new is there as a whole, at most without its name yet. */
async function assertWhole(world: CrashWorld, isDone: boolean, before: string, done: string): Promise<void> {
  const { names, nameless } = await images(world)
  assert.ok(names === done || (!isDone && names === before), names)
  assert.ok(nameless <= (isDone ? 0 : 1), `${nameless} images without a name`)
}

test('import: whole or absent', TIMEOUT, async () => {
  await crashAtEveryStep('import', { before: world => world.import('old'), work: world => world.import('new'), after: (world, isDone) => assertWhole(world, isDone, 'old:latest', 'new:latest,old:latest') })
})

test('an import under a name that is taken: the old image keeps it until the new one has it', TIMEOUT, async () => {
  await crashAtEveryStep('import again', {
    before: world => world.import('img', 'first'), work: world => world.import('img', 'second'),
    after: async (world, isDone) => {
      const { names } = await images(world)
      assert.equal(names, 'img:latest')
      if (isDone) assert.equal(world.engine.imageStore.all().length, 2)
    },
  })
})

test('commit: whole or absent, and the container goes on', TIMEOUT, async () => {
  await crashAtEveryStep('commit', {
    before: async world => {
      await world.import('old')
      await world.engine.containers.create({ name: 'c0', config: { Image: 'old' }, hostConfig: { NetworkMode: 'none' } })
      await world.engine.containers.start('c0')
    },
    work: world => world.engine.images.commit({ container: 'c0', repository: 'new', config: {}, changes: [], pause: true }),
    after: async (world, isDone) => {
      await assertWhole(world, isDone, 'old:latest', 'new:latest,old:latest')
      assert.equal((await world.engine.containers.inspect('c0')).State?.Status, 'running')
      assert.ok(![...world.machine.fake.cgroups.files].some(([path, text]) => path.endsWith('cgroup.freeze') && text === '1'), 'it is frozen')
    },
  })
})

test('load: whole or absent', TIMEOUT, async () => {
  let archive: Buffer | undefined
  await crashAtEveryStep('load', {
    before: async world => {
      await world.import('old')
      await world.import('loaded')
      archive ??= await buffer(await world.engine.images.save(['loaded']))
      await world.engine.images.remove('loaded', { force: false, prune: true })
    },
    work: async world => { for await (const line of world.engine.images.load(Readable.from([archive ?? Buffer.alloc(0)]), { quiet: true })) assert.ok(!('error' in line), JSON.stringify(line)) },
    after: (world, isDone) => assertWhole(world, isDone, 'old:latest', 'loaded:latest,old:latest'),
  })
})

test('remove and tag: there or not', TIMEOUT, async () => {
  await crashAtEveryStep('rmi', {
    before: async world => { await world.import('old'); await world.import('gone') },
    work: world => world.engine.images.remove('gone', { force: false, prune: true }),
    after: (world, isDone) => assertWhole(world, isDone, (world.engine.imageStore.names().length === 2 ? 'gone:latest,' : '') + 'old:latest', 'old:latest'),
  })
  await crashAtEveryStep('tag', {
    before: world => world.import('old'), work: world => world.engine.images.tag('old', 'second', 'v1'),
    after: (world, isDone) => assertWhole(world, isDone, 'old:latest', 'old:latest,second:v1'),
  })
})
