/** What a test written with testcontainers does: a server in a container, asked over its published port, gone at the end. */
import { GenericContainer, Wait } from 'testcontainers'

const container = await new GenericContainer('busybox')
  .withCommand(['sh', '-c', 'mkdir /www; echo hello from testcontainers > /www/index.html; echo serving; httpd -f -p 80 -h /www'])
  .withExposedPorts(80)
  .withWaitStrategy(Wait.forLogMessage('serving'))
  .withLabels({ purpose: 'test' })
  .start()
try {
  const { exitCode } = await container.exec(['test', '-e', '/www/index.html'])
  if (exitCode !== 0) throw new Error(`exec: ${exitCode}`)
  const response = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}/`)
  process.stdout.write(await response.text())
} finally {
  await container.stop({ timeout: 100 })
}
