import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { listen } from './listen.ts'

test('failures to accept are reported, each of them, and end nothing', async () => {
  const server = net.createServer()
  const seen: string[] = []
  await listen(server, { host: '127.0.0.1', port: 0 }, 'here', error => { seen.push(error.message) })
  server.emit('error', new Error('accept EMFILE'))
  server.emit('error', new Error('accept EMFILE'))
  assert.deepEqual(seen, ['accept EMFILE', 'accept EMFILE'])
  assert.equal(server.listening, true)
  server.close()
})

test('an address that is taken is refused by name', async () => {
  const first = net.createServer()
  await listen(first, { host: '127.0.0.1', port: 0 }, 'here', () => {})
  const { port } = first.address() as net.AddressInfo
  await assert.rejects(listen(net.createServer(), { host: '127.0.0.1', port }, `127.0.0.1:${port}`, () => {}), { code: 'address-in-use' })
  first.close()
})
