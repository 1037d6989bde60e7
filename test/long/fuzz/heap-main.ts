/** heap-main PID: prints the bytes of a Node process's heap that are in use after a full collection. Asks its inspector, which SIGUSR1 opens; runs in the network namespace of the process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

const INSPECTOR = 'http://127.0.0.1:9229/json/list'
const TRIES_MAX = 50
const RETRY_MS = 100

process.kill(Number(process.argv[2]), 'SIGUSR1')
const socket = new WebSocket(await debuggerUrl())
await new Promise((resolve, reject) => { socket.once('open', resolve).once('error', reject) })
// Twice: what the first one finalizes, the second one frees.
for (let id = 1; id <= 2; id++) await ask(id, 'HeapProfiler.collectGarbage', {})
const answer = await ask(3, 'Runtime.evaluate', { expression: 'process.memoryUsage().heapUsed', returnByValue: true })
process.stdout.write(`${String(answer.result?.result?.value)}\n`)
socket.close()

interface Answer { readonly id?: number; readonly result?: { readonly result?: { readonly value?: unknown } } }

async function ask(id: number, method: string, params: object): Promise<Answer> {
  const answered = new Promise<Answer>(resolve => {
    socket.on('message', data => {
      const message = JSON.parse(String(data)) as Answer
      if (message.id === id) resolve(message)
    })
  })
  socket.send(JSON.stringify({ id, method, params }))
  return answered
}

async function debuggerUrl(): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      const [target] = await (await fetch(INSPECTOR)).json() as readonly { readonly webSocketDebuggerUrl: string }[]
      if (target !== undefined) return target.webSocketDebuggerUrl
    } catch (error) {
      if (tries === TRIES_MAX) throw error
    }
    await sleep(RETRY_MS)
  }
}
