import { mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ShoalError, messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { HttpServer, TlsFiles } from '../http/server/http-server.ts'
import { activatedSockets } from './activated-sockets.ts'
import type { DaemonConfig, TlsConfig } from './daemon-config.ts'

/** Opens every address of the configuration; Unix sockets never speak TLS. @throws ShoalError when one cannot be opened */
export async function listenOnHosts(server: HttpServer, config: DaemonConfig, environment: Readonly<Record<string, string | undefined>>, logger: Logger): Promise<void> {
  const tls = config.tls === undefined ? undefined : readTls(config.tls)
  for (const host of config.hosts) {
    if (host.startsWith('unix://')) await listenOnPath(server, host, config.group, logger)
    else if (host.startsWith('tcp://')) await listenOnNetwork(server, host, tls, logger)
    else for (const { fd, isUnix } of activatedSockets(host, environment, process.pid)) await (isUnix ? server.listen(`fd://${fd}`) : listenOnNetwork(server, `fd://${fd}`, tls, logger))
  }
}

async function listenOnPath(server: HttpServer, host: string, group: string, logger: Logger): Promise<void> {
  mkdirSync(dirname(host.slice('unix://'.length)), { recursive: true })
  const socketGroupId = groupId(group)
  // As in dockerd: without the group the socket is root's alone.
  if (socketGroupId === undefined) logger.warn('the group of the API socket does not exist: only root can use it', { host, group })
  await server.listen(host, socketGroupId === undefined ? {} : { socketGroupId })
}

async function listenOnNetwork(server: HttpServer, host: string, tls: TlsFiles | undefined, logger: Logger): Promise<void> {
  if (tls === undefined) logger.warn('the API is accessible over the network without encryption or authentication: whoever reaches it is root on this host; use --tlsverify', { host })
  else if (tls.clientCaPem === undefined) logger.warn('the API is accessible over the network without client authentication: whoever reaches it is root on this host; use --tlsverify', { host })
  await server.listen(host, tls === undefined ? {} : { tls })
}

function readTls({ verify, caFile, certFile, keyFile }: TlsConfig): TlsFiles {
  const read = (what: string, path: string): Buffer => {
    try {
      return readFileSync(path)
    } catch (cause) {
      throw new ShoalError('invalid-argument', 'bad-daemon-config', `could not read the ${what} "${path}": ${messageOf(cause)}`)
    }
  }
  return { certPem: read('TLS certificate', certFile), keyPem: read('TLS key', keyFile), ...verify ? { clientCaPem: read('CA certificate', caFile) } : {} }
}

/** By name or number. */
function groupId(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name)
  const line = readFileSync('/etc/group', 'utf8').split('\n').find(entry => entry.startsWith(`${name}:`))
  return line === undefined ? undefined : Number(line.split(':')[2])
}
