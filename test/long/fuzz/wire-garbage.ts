import { randomInt, type Random } from '../../../src/base/random.ts'

const JSON_HEAD = 'Host: x\r\nContent-Type: application/json\r\n'
const UPGRADE = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n'

/** Requests that no HTTP client sends: cut, contradictory or garbled, and streams that turn to garbage after the upgrade. */
export function wireGarbage(random: Random, ids: { readonly container: string; readonly exec: string }): readonly (string | Uint8Array)[] {
  const bytes = (count: number): Uint8Array => random.bytes(1 + randomInt(random, count))
  const kinds: readonly (() => readonly (string | Uint8Array)[])[] = [
    () => [bytes(2_000)],
    () => ['GET /_ping HTTP/9.9\r\n\r\n'],
    () => [`GET /${'x'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    () => [`GET /_ping HTTP/1.1\r\nHost: x\r\n${'X-A: b\r\n'.repeat(5_000)}\r\n`],
    () => ['GET /_ping HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabc'],
    () => [`POST /containers/create HTTP/1.1\r\n${JSON_HEAD}Content-Length: 100\r\n\r\n{"Image"`],
    () => [`POST /containers/create HTTP/1.1\r\n${JSON_HEAD}Content-Length: -1\r\n\r\n{}`],
    () => [`POST /containers/create HTTP/1.1\r\n${JSON_HEAD}Content-Length: 3\r\n\r\n{}{}{}{}`],
    () => [`POST /containers/create HTTP/1.1\r\n${JSON_HEAD}Content-Length: 99999999999999999999\r\n\r\n{}`],
    () => [`POST /containers/create HTTP/1.1\r\n${JSON_HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`],
    () => ['POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', bytes(50)],
    () => ['POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n', bytes(1_000)],
    () => ['POST /images/create?fromSrc=- HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n', bytes(100)],
    () => [`PUT /containers/${ids.container}/archive?path=/tmp HTTP/1.1\r\nHost: x\r\nContent-Length: 10240\r\n\r\n`, bytes(5_000)],
    () => ['POST /build HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: 10240\r\n\r\n', bytes(5_000)],
    () => [`POST /containers/${ids.container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n${UPGRADE}\r\n`, bytes(3_000)],
    () => [`POST /containers/${ids.container}/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\n\r\n`, bytes(3_000)],
    () => [`GET /containers/${ids.container}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.from(random.bytes(16)).toString('base64')}\r\n\r\n`, bytes(500)],
    () => [`GET /containers/${ids.container}/attach/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\n`],
    () => [`POST /exec/${ids.exec}/start HTTP/1.1\r\n${UPGRADE}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`, bytes(3_000)],
    () => [`GET /containers/${ids.container}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n`],
    () => [`GET /containers/${ids.container}/stats HTTP/1.1\r\nHost: x\r\n\r\n`],
    () => [`POST /containers/${ids.container}/wait HTTP/1.1\r\nHost: x\r\n\r\n`],
    () => ['GET /events HTTP/1.1\r\nHost: x\r\n\r\n'],
    () => [`POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`, bytes(500)],
    () => [`POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`, bytes(500)],
    () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', bytes(100)],
    () => ['CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'],
    () => ['\u0016\u0003\u0001\u0002\u0000', bytes(600)],
    () => [`GET /_ping HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`, bytes(20)],
    () => [`${'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50)}GET`],
  ]
  return (kinds[randomInt(random, kinds.length)] ?? (() => []))()
}
