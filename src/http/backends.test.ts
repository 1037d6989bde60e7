import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine } from '../../agent/engine/engine.ts'
import type { Backends } from './backends.ts'

/** The compiler is the test: the engine's parts must fit behind the routes as they are. */
const engineFits = ({ containers, execs, images, networks, volumes, events }: Engine): Pick<Backends, 'containers' | 'execs' | 'images' | 'networks' | 'volumes' | 'events'> =>
  ({ containers, execs, images, networks, volumes, events })

test('an engine can be handed over part by part', () => {
  const part = {} as Engine['containers']
  assert.equal(engineFits({ containers: part } as Engine).containers, part)
})
