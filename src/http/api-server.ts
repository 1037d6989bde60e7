import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Backends } from './backends.ts'
import { containerRoutes } from './routes/containers.ts'
import { containerStreamRoutes } from './routes/container-streams.ts'
import { systemRoutes } from './routes/system.ts'
import { API_VERSION_MAX, formatApiVersion } from './server/api-version.ts'
import { HttpServer } from './server/http-server.ts'
import type { Route } from './server/route.ts'
import { Router } from './server/router.ts'
import { ReplySender } from './server/send-reply.ts'
import { WebSocketUpgrader } from './server/websocket.ts'

export interface ApiServerParts {
  readonly backends: Backends
  readonly logger: Logger
  readonly clock: Clock
  /** The product's version, for the Server header. */
  readonly version: string
}

/** The Docker Engine API over these backends. Call listen() for each address; dispose cuts every connection. */
export function createApiServer({ backends, logger, clock, version }: ApiServerParts): HttpServer {
  return new HttpServer({
    router: new Router(routesOf(backends)),
    sender: new ReplySender(clock, new WebSocketUpgrader()),
    logger,
    headers: { 'Api-Version': formatApiVersion(API_VERSION_MAX), 'Docker-Experimental': 'false', 'Ostype': 'linux', 'Server': `Shoal/${version} (linux)` },
  })
}

function routesOf(backends: Backends): readonly Route[] {
  return [
    ...systemRoutes(backends.system),
    ...containerRoutes(backends.containers),
    ...containerStreamRoutes(backends.containers),
  ]
}
