/** Compose 1.29, docker-py and testcontainers, as their users start them, on a host with a real daemon. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, Lab, run, type Output } from '../support/lab.ts'

const WAIT_MS = 30_000
const COMPOSE_FILE = `
version: "3.8"
services:
  store:
    image: busybox
    command: ["sh", "-c", "echo ready > /data/state; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "test", "-e", "/data/state"], interval: 1s }
  web:
    build: { context: ., args: { GREETING: "hello from compose" } }
    depends_on: [store]
    ports: ["18080:80"]
    environment: { MODE: test }
    stop_signal: SIGKILL
  client:
    image: busybox
    depends_on: [web]
    command: ["sh", "-c", "until wget -q -O - http://web/; do sleep 0.1; done; cat /data/state"]
    volumes: ["data:/data:ro"]
volumes:
  data:
    labels: { purpose: test }
`
const DOCKERFILE = `
FROM busybox
ARG GREETING
RUN mkdir -p /www && echo "$GREETING" > /www/index.html
CMD ["httpd", "-f", "-p", "80", "-h", "/www"]
`
const PYTHON = `
import docker
client = docker.from_env()
assert client.ping()
assert client.containers.run('busybox', 'echo from python', remove=True) == b'from python\\n'
c = client.containers.run('busybox', ['sleep', '1000'], detach=True, name='py', labels={'a': 'b'}, environment={'X': 'y'}, stop_signal='SIGKILL')
for i in range(30):
    code, out = c.exec_run(['sh', '-c', 'echo $X; exit 5'])
    assert (code, out) == (5, b'y\\n'), (code, out)
assert [x.name for x in client.containers.list(filters={'label': 'a=b'})] == ['py']
c.stop(); c.reload()
assert c.status == 'exited', c.status
try:
    client.containers.run('busybox', ['sh', '-c', 'exit 3'], remove=True)
    raise SystemExit('no error')
except docker.errors.ContainerError as e:
    assert e.exit_status == 3
c.remove(v=True)
v = client.volumes.create('pyvolume'); v.remove()
n = client.networks.create('pynetwork', driver='bridge'); n.remove()
image = client.images.get('busybox'); assert 'busybox:latest' in image.tags
try:
    client.images.get('nosuch')
    raise SystemExit('no error')
except docker.errors.ImageNotFound:
    pass
print('all well')
`

let lab: Lab
let folder: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'compose-'))
  lab = await Lab.up('shoallongcompose', 1)
})
after(async () => {
  await lab?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** A program on the host, beside the daemon. */
async function onHost(...command: readonly string[]): Promise<Output> {
  return run('bash', [lab.script, 'exec', '1', ...command], { env: { LAB: lab.name, DOCKER_HOST: `unix://${lab.socket(1)}`, DOCKER_CONFIG: folder, TESTCONTAINERS_RYUK_DISABLED: 'true', TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1', HOME: folder } })
}

test('docker-compose 1.29 brings three services up and down, with a build, a volume and an order', async () => {
  const project = join(folder, 'shop')
  mkdirSync(project)
  writeFileSync(join(project, 'docker-compose.yml'), COMPOSE_FILE)
  writeFileSync(join(project, 'Dockerfile'), DOCKERFILE)
  const compose = async (...args: readonly string[]): Promise<string> => {
    const output = await onHost('docker-compose', '--project-directory', project, '-f', join(project, 'docker-compose.yml'), ...args)
    assert.equal(output.status, 0, `docker-compose ${args.join(' ')}: ${output.stdout}${output.stderr}\n${lab.log(1).slice(-2_000)}`)
    return output.stdout
  }
  await compose('up', '-d')
  await eventually('the client has its answer', WAIT_MS, async () => /hello from compose[^]*ready/.test(await compose('logs', '--no-color', 'client')) ? true : undefined)
  assert.match((await onHost('curl', '-sS', 'http://127.0.0.1:18080/')).stdout, /hello from compose/)
  assert.match(await compose('ps'), /shop_web_1[^\n]*Up[^\n]*18080->80/)
  assert.equal((await compose('exec', '-T', 'web', 'sh', '-c', 'echo $MODE')).trim(), 'test')
  await compose('up', '-d', '--scale', 'client=2')
  await compose('restart', '-t', '1', 'store')
  await compose('down', '-v', '-t', '1', '--rmi', 'local')
  assert.equal(await lab.ok(1, 'ps', '-aq'), '')
  assert.equal(await lab.ok(1, 'volume', 'ls', '-q'), '')
  assert.equal(await lab.ok(1, 'network', 'ls', '-q', '--filter', 'type=custom'), '')
  assert.equal(await lab.ok(1, 'images', '-q', 'shop_web'), '')
})

test('docker-py runs, executes, lists and removes', async () => {
  const script = join(folder, 'script.py')
  writeFileSync(script, PYTHON)
  const output = await onHost('/usr/bin/python3', script)
  assert.equal(`${output.status} ${output.stdout.trim()}`, '0 all well', output.stderr)
})

test('testcontainers starts a container, finds its port and stops it', async () => {
  const output = await onHost(process.execPath, join(process.cwd(), 'dist/test/long/sdk/testcontainers-main.js'))
  assert.equal(`${output.status} ${output.stdout.trim()}`, '0 hello from testcontainers', output.stderr)
  assert.equal(await lab.ok(1, 'ps', '-aq'), '')
})
