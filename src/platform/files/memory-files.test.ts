import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MemoryFiles } from './memory-files.ts'

test('a task\'s files have their owner, group and mode; writing replaces, removing leaves nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-files-'))
  try {
    const files = new MemoryFiles(join(folder, 'tasks'))
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
    await files.write('t1', [{ data: new Uint8Array([9]), uid, gid, mode: 0o444 }, { data: new Uint8Array(), uid, gid, mode: 0o444 }])
    const [path = ''] = await files.write('t1', [{ data: new Uint8Array([1, 2]), uid, gid, mode: 0o440 }])
    assert.deepEqual([...await readFile(path)], [1, 2])
    const { mode, uid: owner } = await stat(path)
    assert.deepEqual([mode & 0o777, owner], [0o440, uid])
    assert.deepEqual(await readdir(join(folder, 'tasks/t1')), ['0'])
    await files.remove('t1')
    await files.remove('t1')
    assert.deepEqual(await readdir(join(folder, 'tasks')), [])
    assert.deepEqual(await files.write('t2', []), [])
  } finally {
    await rm(folder, { recursive: true })
  }
})
