/** The daemon killed at every single effect of what it does with networks and volumes, and started again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashAtEveryStep, type CrashWorld } from '../support/crash-world.ts'

const TIMEOUT = { timeout: 120_000 }

async function hasNetwork(world: CrashWorld, name: string): Promise<boolean> { return (await world.engine.networks.list({})).some(network => network.Name === name) }

/** A container on `bridge`, and another network. */
async function ready(world: CrashWorld): Promise<void> {
  await world.import('img')
  await world.engine.networks.create({ Name: 'other' })
  await world.engine.containers.create({ name: 'c0', config: { Image: 'img' }, hostConfig: { NetworkMode: 'bridge', PortBindings: { '80/tcp': [{ HostPort: '8080' }] } } })
  await world.engine.containers.start('c0')
}
async function connected(world: CrashWorld): Promise<void> {
  await ready(world)
  await world.engine.networks.connect('other', 'c0', {})
}

/** What is said of the container, of its networks, and what is in its namespace must be the same. @returns its networks' names, sorted */
async function networksOf(world: CrashWorld): Promise<string> {
  const { Id = '', NetworkSettings, State } = await world.engine.containers.inspect('c0')
  assert.equal(State?.Status, 'running')
  const networks = NetworkSettings?.Networks ?? {}
  for (const name of ['bridge', 'other']) {
    const member = (await world.engine.networks.inspect(name)).Containers?.[Id]
    assert.equal(member?.IPv4Address?.split('/')[0], networks[name]?.IPAddress, `${name} says otherwise`)
  }
  const inside = world.machine.fakeNetwork.links.addresses(`${world.root}/r/netns/${Id}`).map(({ cidr }) => cidr.split('/')[0]).sort()
  assert.deepEqual(inside, Object.values(networks).map(endpoint => endpoint.IPAddress).sort(), 'its interfaces are others')
  return Object.keys(networks).sort().join()
}

test('network create: whole or absent', TIMEOUT, async () => {
  await crashAtEveryStep('network create', {
    work: world => world.engine.networks.create({ Name: 'other' }),
    after: async (world, isDone) => {
      if (isDone) assert.ok(await hasNetwork(world, 'other'))
      if (!await hasNetwork(world, 'other')) await world.engine.networks.create({ Name: 'other' })
    },
  })
})

test('network remove: there and usable, or gone', TIMEOUT, async () => {
  await crashAtEveryStep('network rm', {
    before: world => world.engine.networks.create({ Name: 'other' }).then(() => undefined),
    work: world => world.engine.networks.remove('other'),
    after: async (world, isDone) => { if (isDone) assert.equal(await hasNetwork(world, 'other'), false) },
  })
})

test('connect: on the network with everything, or not at all', TIMEOUT, async () => {
  await crashAtEveryStep('connect', {
    before: ready,
    work: world => world.engine.networks.connect('other', 'c0', {}),
    after: async (world, isDone) => {
      const now = await networksOf(world)
      assert.ok(now === 'bridge,other' || (!isDone && now === 'bridge'), now)
      if (now === 'bridge') await world.engine.networks.connect('other', 'c0', {})
    },
  })
})

test('disconnect: off the network, or on it as before', TIMEOUT, async () => {
  for (const name of ['other', 'bridge']) {
    await crashAtEveryStep(`disconnect ${name}`, {
      before: connected,
      work: world => world.engine.networks.disconnect(name, 'c0', false),
      after: async (world, isDone) => {
        const now = await networksOf(world)
        const left = name === 'other' ? 'bridge' : 'other'
        assert.ok(now === left || (!isDone && now === 'bridge,other'), now)
      },
    })
  }
})

test('killed while it starts with containers on networks: every interface is as it was', TIMEOUT, async () => {
  await crashAtEveryStep('restore', { before: connected, after: async world => { assert.equal(await networksOf(world), 'bridge,other') } })
})

test('volume create and remove: whole or absent', TIMEOUT, async () => {
  const names = async (world: CrashWorld): Promise<readonly (string | undefined)[]> => (await world.engine.volumes.list()).Volumes.map(volume => volume.Name)
  await crashAtEveryStep('volume create', {
    work: world => world.engine.volumes.create({ Name: 'data', Labels: { a: 'b' } }),
    after: async (world, isDone) => {
      if (isDone) assert.deepEqual(await names(world), ['data'])
      await world.engine.volumes.create({ Name: 'data' })
    },
  })
  await crashAtEveryStep('volume rm', {
    before: async world => { for (const Name of ['data', 'kept']) await world.engine.volumes.create({ Name }) },
    work: world => world.engine.volumes.remove('data', false),
    after: async (world, isDone) => {
      if (isDone) assert.deepEqual(await names(world), ['kept'])
      else assert.ok((await names(world)).includes('kept'))
    },
  })
})
