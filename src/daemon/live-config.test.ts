import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { MemoryLogger } from '../platform/log/memory-logger.ts'
import { daemonConfig } from './daemon-config.ts'
import { LiveConfig } from './live-config.ts'
import { parseFlags } from './settings/parse-flags.ts'

function reloadable(t: TestContext, values: unknown, more: readonly string[] = []): { readonly live: LiveConfig; readonly logger: MemoryLogger; write(values: unknown): void } {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-reload-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'daemon.json')
  const write = (json: unknown): void => writeFileSync(path, typeof json === 'string' ? json : JSON.stringify(json))
  write(values)
  const flags = parseFlags(['--config-file', path, ...more])
  const logger = new MemoryLogger()
  return { live: new LiveConfig(flags, daemonConfig(flags), logger), logger, write }
}

test('a reload brings what may change into effect, and names what waits for a restart', t => {
  const { live, logger, write } = reloadable(t, { labels: ['a=1'] }, ['--exec-root', '/e'])
  const seen: unknown[] = []
  live.onReload(config => seen.push(config.labels))
  write({ 'labels': ['a=2'], 'debug': true, 'data-root': '/elsewhere', 'registry-mirrors': ['https://m'] })
  live.reload()
  assert.deepEqual([live.current.labels, live.current.logLevel, live.current.registryMirrors], [['a=2'], 'debug', ['https://m']])
  assert.deepEqual([live.current.dataRoot, live.current.execRoot, seen], ['/var/lib/shoal', '/e', [['a=2']]])
  assert.deepEqual(logger.lines.filter(line => line.level === 'warn').map(line => line.fields['settings']), [['data-root']])
})

test('a file that is not fine leaves the old configuration and says so', t => {
  const { live, logger, write } = reloadable(t, { labels: ['a=1'] })
  for (const bad of ['{', { nope: 1 }, { labels: ['nolabel'] }, { labels: ['a=1', 'a=2'] }, { debug: 'yes' }, { rootless: true }]) {
    write(bad)
    live.reload()
    assert.deepEqual(live.current.labels, ['a=1'])
  }
  assert.equal(logger.lines.filter(line => line.level === 'error' && line.message.includes('the old one stays')).length, 6)
})

test('what the file no longer names stays', t => {
  const { live, write } = reloadable(t, { labels: ['a=1'], debug: true })
  write({})
  live.reload()
  assert.deepEqual([live.current.labels, live.current.logLevel], [['a=1'], 'debug'])
})
