/** A five-host cluster from zero, by the stock docker CLI alone: what a user's first hour and an operator's worst night look like. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Lab, eventually } from '../support/lab.ts'

const HOSTS = 5
let lab: Lab
before(async () => { lab = await Lab.up('shoale2e', HOSTS) })
after(async () => { await lab?.[Symbol.asyncDispose]() })

interface TaskLine { readonly Name: string; readonly Node: string; readonly CurrentState: string; readonly DesiredState: string; readonly ID: string }
async function tasksOf(service: string, host = 1): Promise<readonly TaskLine[]> {
  const text = await lab.ok(host, 'service', 'ps', '--format', '{{json .}}', '--no-trunc', service)
  return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as TaskLine)
}
async function running(service: string, count: number, timeoutMs = 30_000, host = 1): Promise<readonly TaskLine[]> {
  return eventually(`${service} has ${count} running tasks`, timeoutMs, async () => {
    const tasks = (await tasksOf(service, host)).filter(task => task.DesiredState === 'Running')
    return tasks.length === count && tasks.every(task => task.CurrentState.startsWith('Running')) ? tasks : undefined
  })
}

test('init, join tokens, two managers and two workers join, node ls shows all five', async () => {
  const init = await lab.ok(1, 'swarm', 'init', '--advertise-addr', '10.99.0.1')
  assert.match(init, /Swarm initialized: current node \([0-9a-z]{25}\) is now a manager\./)
  assert.match(init, /docker swarm join --token SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25} 10\.99\.0\.1:2377/)
  const [manager, worker] = [await lab.ok(1, 'swarm', 'join-token', '-q', 'manager'), await lab.ok(1, 'swarm', 'join-token', '-q', 'worker')]
  for (const host of [2, 3]) assert.match(await lab.ok(host, 'swarm', 'join', '--token', manager, '--advertise-addr', `10.99.0.${host}`, '10.99.0.1:2377'), /This node joined a swarm as a manager\./)
  for (const host of [4, 5]) assert.match(await lab.ok(host, 'swarm', 'join', '--token', worker, '--advertise-addr', `10.99.0.${host}`, '10.99.0.1:2377'), /This node joined a swarm as a worker\./)
  await eventually('five ready nodes, one leader, two reachable', 20_000, async () => {
    const nodes = (await lab.ok(2, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}} {{.ManagerStatus}}')).split('\n').map(line => line.trim()).sort().join(';')
    return nodes === 'h1 Ready Leader;h2 Ready Reachable;h3 Ready Reachable;h4 Ready;h5 Ready' ? true : undefined
  })
})

test('a wrong join token, and commands on a worker, get a clear error', async () => {
  const again = await lab.docker(4, 'swarm', 'join', '--token', 'SWMTKN-1-x', '10.99.0.1:2377')
  assert.notEqual(again.status, 0)
  assert.match(again.stderr, /already part of a swarm/)
  const onWorker = await lab.docker(4, 'node', 'ls')
  assert.match(onWorker.stderr, /This node is not a swarm manager\. Worker nodes can't be used to view or modify cluster state/)
})

test('service create with a published port converges by itself and every host answers', async () => {
  const created = await lab.ok(1, 'service', 'create', '--name', 'web', '--replicas', '6', '-p', '8080:80', '--update-monitor', '1s', 'busybox', 'sh', '-c', 'hostname > /www/index.html; exec httpd -f -p 80 -h /www')
  assert.match(created, /Service ([0-9a-z]{25} )?converged/)
  await running('web', 6)
  for (let host = 1; host <= HOSTS; host++) assert.match(await eventually(`h${host} answers`, 20_000, async () => lab.fetch(host, 8080)), /^[0-9a-f]{12}$/)
  assert.match(await lab.ok(1, 'service', 'ls'), /web\s+replicated\s+6\/6\s+busybox:latest\s+\*:8080->80\/tcp/)
})

test('inspect, scale and update work and only what changed is replaced', async () => {
  const [spec] = JSON.parse(await lab.ok(1, 'service', 'inspect', 'web')) as readonly { readonly Spec: { readonly Name: string }; readonly Endpoint: { readonly VirtualIPs: readonly unknown[] } }[]
  assert.equal(spec?.Spec.Name, 'web')
  assert.equal(spec?.Endpoint.VirtualIPs.length, 1)
  assert.match(await lab.ok(2, 'service', 'scale', 'web=3'), /web scaled to 3/)
  const before3 = await running('web', 3)
  assert.match(await lab.ok(3, 'service', 'update', '--env-add', 'ROUND=2', 'web'), /converged/)
  const after3 = await running('web', 3)
  assert.deepEqual(after3.filter(task => before3.some(old => old.ID === task.ID)), [])
})

test('containers of tasks are in docker ps, and docker run works beside them', async () => {
  assert.equal(await lab.ok(5, 'run', '--rm', 'busybox', 'echo', 'hello'), 'hello')
  assert.equal((await lab.docker(5, 'run', '--rm', 'busybox', 'sh', '-c', 'exit 3')).status, 3)
  const id = await lab.ok(5, 'run', '-d', '--name', 'ticker', 'busybox', 'sh', '-c', 'for i in 1 2 3; do echo line $i; sleep 0.3; done; sleep 30')
  const follow = lab.spawnDocker(5, 'logs', '-f', 'ticker')
  let text = ''
  follow.stdout?.on('data', (chunk: Buffer) => { text += chunk.toString() })
  await eventually('logs -f shows three lines', 20_000, async () => (text.includes('line 3') ? true : undefined))
  assert.match(await lab.ok(5, 'ps', '--filter', 'name=ticker', '--format', '{{.ID}} {{.Image}} {{.Status}}'), new RegExp(`^${id.slice(0, 12)} busybox Up `))
  await lab.ok(5, 'rm', '-f', 'ticker')
  if (follow.exitCode === null) await once(follow, 'exit')
  assert.match(await lab.ok(1, 'info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.Managers}}/{{.Swarm.Nodes}}'), /active 3\/5/)
  assert.match(await lab.ok(1, 'version', '--format', '{{.Server.APIVersion}}'), /1\.50/)
})

test('a stack is deployed, listed and removed; its services find each other by name on other hosts', async () => {
  const file = join(lab.folder, 'stack.yaml')
  writeFileSync(file, `
version: "3.8"
services:
  api:
    image: busybox
    command: ["sh", "-c", "hostname > /www/index.html; exec httpd -f -p 80 -h /www"]
    deploy: { replicas: 2, placement: { constraints: [node.role == worker], max_replicas_per_node: 1 } }
  client:
    image: busybox
    command: ["sh", "-c", "while true; do printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 api 80 | tail -n 1; sleep 0.5; done"]
    deploy: { placement: { constraints: [node.hostname == h1] } }
`)
  await lab.ok(1, 'stack', 'deploy', '-c', file, 'st')
  await running('st_api', 2)
  await running('st_client', 1)
  assert.match(await lab.ok(1, 'stack', 'ls'), /st\s+2/)
  assert.match(await lab.ok(1, 'stack', 'services', 'st'), /st_api\s+replicated\s+2\/2/)
  assert.match(await lab.ok(1, 'stack', 'ps', 'st'), /st_client\.1/)
  const answers = await eventually('the client reached both tasks through the virtual IP', 20_000, async () => {
    const lines = new Set((await lab.ok(1, 'service', 'logs', '--raw', 'st_client')).split('\n').filter(line => /^[0-9a-f]{12}$/.test(line)))
    return lines.size === 2 ? lines : undefined
  })
  assert.equal(answers.size, 2)
  await lab.ok(1, 'stack', 'rm', 'st')
  await eventually('its network is gone with its last container', 20_000, async () => ((await lab.ok(1, 'network', 'ls')).includes('st_default') ? undefined : true))
})

test('kill -9 of the leader\'s manager: another accepts writes, no container restarts', async () => {
  const before = await running('web', 3)
  const leader = Number((await lab.ok(1, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')).split('\n').find(line => line.includes('Leader'))?.slice(1, 2))
  const survivor = leader === 1 ? 2 : 1
  process.kill(lab.pid(leader, 'manager'), 'SIGKILL')
  await eventually('a write is accepted', 15_000, async () => {
    const created = await lab.docker(survivor, 'service', 'create', '-d', '--name', 'after', '--replicas', '0', 'busybox', 'true')
    return created.status === 0 ? true : undefined
  })
  await lab.ok(survivor, 'service', 'rm', 'after')
  assert.deepEqual((await running('web', 3, 20_000, survivor)).map(task => task.ID).sort(), before.map(task => task.ID).sort())
})

test('a worker whose agent is killed and whose cable is cut is replaced; when it returns nothing is doubled', async () => {
  await lab.ok(1, 'service', 'create', '-d', '--name', 'edge', '--replicas', '2', '--constraint', 'node.role==worker', 'busybox', 'sleep', '1000')
  const tasks = await running('edge', 2)
  const victim = tasks.some(task => task.Node === 'h4') ? 4 : 5
  await lab.lab('kill', String(victim))
  await lab.lab('cut', String(victim))
  const moved = await eventually('its tasks run elsewhere', 30_000, async () => {
    const now = (await tasksOf('edge')).filter(task => task.DesiredState === 'Running' && task.CurrentState.startsWith('Running'))
    return now.length === 2 && now.every(task => task.Node !== `h${victim}`) ? now : undefined
  })
  assert.equal(moved.length, 2)
  await lab.lab('mend', String(victim))
  await lab.start(victim)
  await eventually('the stale containers are stopped', 20_000, async () => {
    const left = await lab.ok(victim, 'ps', '-q', '--filter', 'label=com.docker.swarm.service.name=edge')
    const ready = (await lab.ok(1, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}}')).includes(`h${victim} Ready`)
    return left === '' && ready ? true : undefined
  })
  assert.equal((await running('edge', 2)).length, 2)
  await lab.ok(1, 'service', 'rm', 'edge')
})

test('kill -9 of every daemon and manager at once: the same cluster, services, tasks and containers', async () => {
  const tasksBefore = (await running('web', 3)).map(task => task.ID).sort()
  const pidsOf = async (): Promise<readonly string[]> => (await Promise.all(Array.from({ length: HOSTS }, async (_, i) => {
    const ids = (await lab.ok(i + 1, 'ps', '-q', '--no-trunc', '--filter', 'label=com.docker.swarm.service.name=web')).split('\n').filter(id => id !== '')
    return ids.length === 0 ? [] : (await lab.ok(i + 1, 'inspect', '--format', '{{.Id}} {{.State.Pid}}', ...ids)).split('\n')
  }))).flat().sort()
  // The host that came back in the test before may still be stopping the container of a task that moved away.
  const pidsBefore = await eventually('only the tasks of now have containers', 20_000, async () => {
    const pids = await pidsOf()
    return pids.length === 3 ? pids : undefined
  })
  await Promise.all(Array.from({ length: HOSTS }, async (_, i) => lab.lab('kill', String(i + 1))))
  await Promise.all(Array.from({ length: HOSTS }, async (_, i) => lab.start(i + 1)))
  await eventually('all five nodes are ready again', 30_000, async () => {
    const nodes = await lab.ok(1, 'node', 'ls', '--format', '{{.Status}}')
    return nodes.split('\n').filter(status => status === 'Ready').length === HOSTS ? true : undefined
  })
  assert.deepEqual((await running('web', 3)).map(task => task.ID).sort(), tasksBefore)
  assert.deepEqual(await pidsOf(), pidsBefore)
  for (let host = 1; host <= HOSTS; host++) assert.match(await eventually(`h${host} answers`, 20_000, async () => lab.fetch(host, 8080)), /^[0-9a-f]{12}$/)
})

test('service rm stops every task, leave takes hosts out', async () => {
  await lab.ok(1, 'service', 'rm', 'web')
  await eventually('no container is left', 20_000, async () => {
    const left = (await Promise.all(Array.from({ length: HOSTS }, async (_, i) => lab.ok(i + 1, 'ps', '-aq')))).join('')
    return left === '' ? true : undefined
  })
  assert.match(await lab.ok(5, 'swarm', 'leave'), /Node left the swarm\./)
  const refused = await lab.docker(2, 'swarm', 'leave')
  assert.match(refused.stderr, /You are attempting to leave the swarm on a node that is participating as a manager\./)
})
