/** The routing mesh as its users see it: whichever host a client calls, the task that answers is told the client's own address. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lab, eventually } from '../support/lab.ts'

const CLIENT = '10.99.0.254'
const WEB = 'mkdir -p /www/cgi-bin; printf \'#!/bin/sh\\necho; echo $(hostname) $REMOTE_ADDR\\n\' > /www/cgi-bin/who; chmod +x /www/cgi-bin/who; exec httpd -f -p 80 -h /www'
const UDP_SERVER = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send(require('os').hostname() + ' ' + p.address, p.port, p.address)); s.bind(53)`
const UDP_CLIENT = `
  const s = require('dgram').createSocket('udp4'); const [host, port] = process.argv.slice(1); let tries = 0
  const ask = () => { if (++tries > 20) process.exit(1); s.send('x', Number(port), host) }
  s.on('message', m => { console.log(String(m)); process.exit(0) }); s.bind(0, () => { ask(); setInterval(ask, 250) })`
/** busybox httpd listens for nine at a time: with more, the kernel drops connections and resets some, with or without a mesh. */
const TCP_SERVER = `require('net').createServer({ allowHalfOpen: true }, c => c.on('error', () => c.destroy()).on('end', () => c.end(c.remoteAddress + ' ' + c.remotePort)).resume()).listen({ host: '::', port: 81, backlog: 1024 })`
/** Calls all hosts at once from one port, from `ports` ports, `width` of them at a time; prints how often which address was told, and how often another port. */
const MANY = `
  const [hosts, ports, width] = [process.argv[1].split(','), Number(process.argv[2]), Number(process.argv[3])]
  const seen = { clients: {}, changedPorts: 0 }
  const one = (host, localPort) => new Promise(done => {
    let text = ''
    const c = require('net').connect({ host, port: 8081, localPort })
    c.setTimeout(10000, () => { c.destroy(); done('timeout') }); c.on('error', e => done(e.code)); c.on('data', d => { text += d })
    c.on('close', () => { const [client, port] = text.split(' '); if (Number(port) !== localPort) seen.changedPorts++; done(client) })
    c.end('x')
  }).then(client => { seen.clients[client] = (seen.clients[client] ?? 0) + 1 })
  const queue = Array.from({ length: ports }, (_, at) => 20000 + at)
  const work = async () => { for (let port = queue.pop(); port !== undefined; port = queue.pop()) await Promise.all(hosts.map(host => one(host, port))) }
  Promise.all(Array.from({ length: width }, work)).then(() => console.log(JSON.stringify(seen)))`

let lab: Lab
const children: ChildProcess[] = []
before(async () => {
  lab = await Lab.up('shoalmesh', 3)
  await lab.form(2, 1)
})
after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await lab?.[Symbol.asyncDispose]()
})

/** Container and address of the client, as a task saw it. */
async function who(host: number): Promise<readonly [task: string, client: string]> {
  const [task = '', client = ''] = (await lab.fetch(host, 8080, '/cgi-bin/who')).split(' ')
  return [task, client.replace(/^\[?(::ffff:)?/, '').replace(/\]$/, '')]
}

async function everyTaskSeesClient(host: number, tasks: number): Promise<void> {
  await eventually(`h${host} leads to ${tasks} tasks`, 20_000, async () => {
    const seen = [await who(host), await who(host), await who(host), await who(host)]
    return new Set(seen.map(([task]) => task)).size >= Math.min(tasks, 4) ? true : undefined
  })
  for (let round = 0; round < 6; round += 1) assert.equal((await who(host))[1], CLIENT, `through h${host}`)
}

/** Runs a program of node's as if it were in the container of the task on each of both hosts, and waits for its socket. */
async function serve(script: string, sockets: 'tcp6' | 'udp', port: number): Promise<void> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  for (const host of [1, 2]) {
    const id = await lab.ok(host, 'ps', '-q', '--filter', 'label=com.docker.swarm.service.name=web')
    const pid = await lab.ok(host, 'inspect', '--format', '{{.State.Pid}}', id)
    children.push(spawn('nsenter', ['-t', pid, '--net', '--uts', process.execPath, '-e', script], { stdio: 'ignore' }))
    await eventually(`the server on h${host} listens`, 20_000, async () => readFileSync(`/proc/${pid}/net/${sockets}`, 'utf8').includes(`:${hexPort} `) || undefined)
  }
}

test('tasks on both hosts see the client through either host', async () => {
  await lab.ok(1, 'service', 'create', '--name', 'web', '--replicas', '2', '--replicas-max-per-node', '1', '-p', '8080:80', '-p', '8081:81', '-p', '5353:53/udp', '--update-monitor', '1s', '--health-cmd', 'nc -z 127.0.0.1 80', '--health-interval', '1s', 'busybox', 'sh', '-c', WEB)
  for (const host of [1, 2]) await everyTaskSeesClient(host, 2)
})

test('a host that joins later shows the client to tasks that were there before', async () => {
  const token = await lab.ok(1, 'swarm', 'join-token', '-q', 'worker')
  await lab.ok(3, 'swarm', 'join', '--token', token, '--advertise-addr', '10.99.0.3', '10.99.0.1:2377')
  await everyTaskSeesClient(3, 2)
})

test('six hundred connections, sixty at a time and all hosts from one port, all show the client and none fails', async () => {
  await serve(TCP_SERVER, 'tcp6', 81)
  const output = await lab.lab('client', process.execPath, '-e', MANY, '10.99.0.1,10.99.0.2,10.99.0.3', '200', '20')
  assert.equal(output.status, 0, output.stderr)
  const { clients, changedPorts } = JSON.parse(output.stdout) as { readonly clients: Readonly<Record<string, number>>; readonly changedPorts: number }
  assert.deepEqual(clients, { [`::ffff:${CLIENT}`]: 600 })
  assert.ok(changedPorts >= 200, `two of three hosts led to the same task, where one port cannot stand for both: ${changedPorts} of 600 got another`)
})

test('over UDP too, through every host', async () => {
  await serve(UDP_SERVER, 'udp', 53)
  for (const host of [1, 2, 3]) {
    const answers = await Promise.all([1, 2, 3, 4].map(async () => lab.lab('client', process.execPath, '-e', UDP_CLIENT, `10.99.0.${host}`, '5353')))
    assert.deepEqual(answers.map(answer => answer.stdout.trim().split(' ')[1]), [CLIENT, CLIENT, CLIENT, CLIENT], `through h${host}`)
    assert.equal(new Set(answers.map(answer => answer.stdout.split(' ')[0])).size, 2, 'both tasks answer')
  }
})

test('a host calls its own port by its address and by localhost, and a container calls it', async () => {
  for (const host of [1, 2, 3]) {
    for (const url of ['http://127.0.0.1:8080/cgi-bin/who', `http://10.99.0.${host}:8080/cgi-bin/who`]) {
      for (let round = 0; round < 4; round += 1) {
        const output = await lab.lab('exec', String(host), 'curl', '-sS', '--fail', '--connect-timeout', '3', '--max-time', '10', url)
        assert.equal(output.status, 0, output.stderr)
        assert.match(output.stdout, url.includes('127.0.0.1') ? / \[?(::ffff:)?10\.0\.0\.\d+\]?$/m : new RegExp(` \\[?(::ffff:)?10\\.99\\.0\\.${host}\\]?$`, 'm'))
      }
    }
    assert.match(await lab.ok(host, 'run', '--rm', 'busybox', 'sh', '-c', `printf 'GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n' | nc -w 10 10.99.0.${host} 8080`), /^[0-9a-f]{12} /m)
  }
})

/** Resolves when every host has answered a few times more. */
async function more(answers: ReadonlyMap<number, number>): Promise<void> {
  const before = new Map(answers)
  await eventually('every host answers', 20_000, async () => [...answers].every(([host, count]) => count >= (before.get(host) ?? 0) + 5) || undefined)
}

test('a rolling update and a daemon that is killed and started lose no connection', async () => {
  let isDone = false
  const failures: string[] = []
  const answers = new Map([1, 2, 3].map(host => [host, 0]))
  const load = Promise.all([1, 2, 3].map(async host => {
    while (!isDone) {
      try {
        assert.equal((await who(host))[1], CLIENT)
        answers.set(host, (answers.get(host) ?? 0) + 1)
      } catch (error) {
        failures.push(`h${host}: ${String(error)}`)
      }
      await sleep(50)
    }
  }))
  await lab.ok(1, 'service', 'update', '--env-add', 'ROUND=2', '--update-order', 'start-first', '--replicas-max-per-node', '2', 'web')
  await lab.lab('kill', '2')
  await more(answers)
  await lab.start(2)
  await more(answers)
  isDone = true
  await load
  assert.deepEqual(failures, [])
  for (const host of [1, 2, 3]) await everyTaskSeesClient(host, 2)
})

test('without the port nothing answers, and the hosts are clean afterwards', async () => {
  await lab.ok(1, 'service', 'rm', 'web')
  await eventually('the port is closed', 20_000, async () => {
    const outputs = await Promise.all([1, 2, 3].map(async host => lab.lab('client', 'curl', '-sS', '--connect-timeout', '2', '--max-time', '10', `http://10.99.0.${host}:8080/`)))
    return outputs.every(output => output.status === 7) ? true : undefined
  })
  for (const host of [1, 2, 3]) assert.doesNotMatch(lab.log(host), /replies of a container to clients/)
})
