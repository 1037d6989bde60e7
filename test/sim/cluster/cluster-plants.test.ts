import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findPlant, PLANT_SEEDS_MAX, PLANTS } from '../plant-table.ts'

for (const plant of PLANTS.filter(({ rung }) => rung === 'cluster')) {
  test(`the simulation notices when ${plant.what}`, async () => {
    const { seeds } = await findPlant(plant)
    assert.ok(seeds !== undefined, `${plant.name} went unnoticed for ${PLANT_SEEDS_MAX.cluster} seeds`)
  })
}
