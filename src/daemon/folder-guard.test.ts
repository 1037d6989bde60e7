import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../platform/clock/fake-clock.ts'
import { FolderGuard } from './folder-guard.ts'

const CHANGES: readonly (readonly [name: string, change: (folder: string) => void, isGone: boolean])[] = [
  ['files come and go in it', folder => { writeFileSync(join(folder, 'a'), 'a') }, false],
  ['it is removed', folder => { rmSync(folder, { recursive: true }) }, true],
  ['another takes its place', folder => { renameSync(folder, `${folder}.old`); mkdirSync(folder) }, true],
]

for (const [name, change, isGone] of CHANGES) {
  test(`a guarded folder: ${name}: ${isGone ? 'told, once' : 'nothing is told'}`, async () => {
    const parent = mkdtempSync(join(tmpdir(), 'shoal-guard-'))
    const folder = join(parent, 'raft')
    mkdirSync(folder)
    const clock = new FakeClock()
    const gone: string[] = []
    using guard = new FolderGuard([parent, folder], clock, path => { gone.push(path) })
    await clock.advance(5000)
    assert.deepEqual(gone, [])
    change(folder)
    await clock.advance(5000)
    assert.deepEqual(gone, isGone ? [folder] : [])
    assert(guard)
    rmSync(parent, { recursive: true })
  })
}
