/**
 * A registry's proxy that can hold back: `node holding-proxy-main.js PORT TARGET-PORT LOG HOLD`. While the file HOLD exists, of each blob only the first half comes and the
 * connection then stands still. Every request becomes a line in LOG: method, path, range.
 */
import { appendFileSync, existsSync } from 'node:fs'
import { createServer, request as forward } from 'node:http'

const [port = '', targetPort = '', log = '', hold = ''] = process.argv.slice(2)

createServer((request, response) => {
  const { method = 'GET', url = '/', headers } = request
  appendFileSync(log, `${method} ${url} ${headers.range ?? '-'}\n`)
  const upstream = forward({ host: '127.0.0.1', port: Number(targetPort), method, path: url, headers }, answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    const total = Number(answer.headers['content-length'] ?? 0)
    let left = method === 'GET' && url.includes('/blobs/') && existsSync(hold) && total > 10_000 ? Math.floor(total / 2) : Infinity
    answer.on('data', (chunk: Buffer) => {
      if (left > 0) response.write(chunk.subarray(0, Math.min(left, chunk.length)))
      left -= chunk.length
    })
    answer.on('end', () => { if (left >= 0) response.end() })
  })
  upstream.on('error', error => response.destroy(error))
  request.pipe(upstream)
}).listen(Number(port), '127.0.0.1')
