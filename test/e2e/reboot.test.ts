import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { EngineClient } from '../support/engine-client.ts'
import { hostLeaks } from '../support/host-leaks.ts'
import { eventually, Lab } from '../support/lab.ts'
import { canRunContainers } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
const SOON_MS = 20_000
const SLEEP = ['busybox', 'sleep', '1000']

let lab: Lab
let api: EngineClient
before(async () => {
  if (skip !== false) return
  lab = await Lab.up('shoalboot', 1)
  api = new EngineClient(lab.socket(1))
})
after(async () => { await lab?.[Symbol.asyncDispose]() })

/** By name: status and exit code. */
async function states(): Promise<Readonly<Record<string, string>>> {
  const ids = (await lab.ok(1, 'ps', '-aq')).split('\n').filter(id => id !== '')
  const lines = ids.length === 0 ? '' : await lab.ok(1, 'inspect', '-f', '{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}', ...ids)
  return Object.fromEntries(lines.split('\n').filter(line => line !== '').map(line => [line.slice(1, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]))
}

test('after a reboot containers are as dockerd leaves them, networks and ports are back, and nothing is left over', { skip, timeout: 120_000 }, async () => {
  await lab.ok(1, 'network', 'create', '--subnet', '10.88.7.0/24', 'inner')
  await lab.ok(1, 'volume', 'create', 'kept')
  for (const policy of ['no', 'always', 'unless-stopped', 'on-failure']) await lab.ok(1, 'run', '-d', '--name', policy, '--restart', policy, '--network', 'inner', '-v', 'kept:/kept', ...SLEEP)
  await lab.ok(1, 'run', '-d', '--name', 'web', '--restart', 'always', '--network', 'inner', '-p', '8080:80', 'busybox', 'sh', '-c', 'mkdir -p /www && echo up >/www/index.html && exec httpd -f -h /www')
  await lab.ok(1, 'run', '-d', '--name', 'stopped', '--restart', 'unless-stopped', ...SLEEP)
  await lab.ok(1, 'run', '-d', '--name', 'stopped-always', '--restart', 'always', ...SLEEP)
  await lab.ok(1, 'stop', '-t', '0', 'stopped', 'stopped-always')
  await lab.ok(1, 'run', '-d', '--name', 'paused', ...SLEEP)
  await lab.ok(1, 'pause', 'paused')
  await lab.ok(1, 'create', '--name', 'created', '--restart', 'always', ...SLEEP)
  await lab.ok(1, 'run', '-d', '--rm', '--name', 'passing', ...SLEEP)
  await lab.ok(1, 'run', '--name', 'ended', 'busybox', 'sh', '-c', 'echo said')
  await eventually('the page is there before', SOON_MS, () => lab.fetch(1, 8080))

  const rebooted = await lab.lab('reboot', '1')
  assert.equal(rebooted.status, 0, rebooted.stderr)
  await lab.start(1)

  // As seen with dockerd 20.10.
  const expected = {
    'no': 'exited 255 0', 'paused': 'exited 255 0', 'always': 'running 0 0', 'unless-stopped': 'running 0 0', 'on-failure': 'running 0 0', 'web': 'running 0 0',
    'stopped': 'exited 137 0', 'stopped-always': 'running 0 0', 'created': 'created 0 0', 'ended': 'exited 0 0',
  }
  assert.deepEqual(await states(), expected)
  assert.equal(await eventually('the page is there again', SOON_MS, () => lab.fetch(1, 8080)), 'up')
  assert.match(await lab.ok(1, 'exec', 'always', 'nslookup', 'web'), /10\.88\.7\./)
  assert.equal(await lab.ok(1, 'logs', 'ended'), 'said')
  assert.deepEqual(await hostLeaks(lab, 1, api), [])

  await lab.ok(1, 'rm', '-f', ...Object.keys(expected))
  await lab.ok(1, 'network', 'rm', 'inner')
  await lab.ok(1, 'volume', 'rm', 'kept')
  assert.deepEqual(await hostLeaks(lab, 1, api), [])
})
