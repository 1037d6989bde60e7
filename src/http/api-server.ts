import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { Backends } from './backends.ts'
import { SwarmEvents } from './events/swarm-events.ts'
import { buildRoutes } from './routes/build.ts'
import { configRoutes } from './routes/configs.ts'
import { containerFileRoutes } from './routes/container-files.ts'
import { containerRoutes } from './routes/containers.ts'
import { containerStreamRoutes } from './routes/container-streams.ts'
import { diskUsageRoutes } from './routes/disk-usage.ts'
import { distributionRoutes } from './routes/distribution.ts'
import { eventRoutes } from './routes/events.ts'
import { execRoutes } from './routes/execs.ts'
import { imageRoutes } from './routes/images.ts'
import { networkRoutes } from './routes/networks.ts'
import { nodeRoutes } from './routes/nodes.ts'
import { refusalRoutes } from './routes/refusals.ts'
import { secretRoutes } from './routes/secrets.ts'
import { serviceRoutes } from './routes/services.ts'
import { swarmLogRoutes } from './routes/swarm-logs.ts'
import { swarmRecoveryRoutes } from './routes/swarm-recovery.ts'
import { swarmRoutes } from './routes/swarm.ts'
import { systemRoutes } from './routes/system.ts'
import { taskRoutes } from './routes/tasks.ts'
import { volumeRoutes } from './routes/volumes.ts'
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
  readonly random: Random
  /** The product's version, for the Server header. */
  readonly version: string
  /** Whether the daemon calls itself experimental. */
  readonly experimental?: boolean
  /** Access-Control-Allow-Origin of every answer; without it browsers keep pages of other origins out. */
  readonly corsOrigins?: string
  /** As HttpServerParts.requestHeaders. */
  readonly requestHeaders?: (signal: AbortSignal) => Readonly<Record<string, string>>
}

const CORS_HEADERS = { 'Access-Control-Allow-Headers': 'Origin, X-Requested-With, Content-Type, Accept, X-Registry-Auth', 'Access-Control-Allow-Methods': 'HEAD, GET, POST, DELETE, PUT, OPTIONS' }

/** The Docker Engine API over these backends. Call listen() for each address; dispose cuts every connection. */
export function createApiServer(parts: ApiServerParts): HttpServer {
  const { backends, logger, clock, version, corsOrigins = '' } = parts
  const swarmEvents = new SwarmEvents({ control: backends.control, clock, logger })
  return new HttpServer({
    router: new Router(routesOf(parts, swarmEvents)),
    sender: new ReplySender(clock, new WebSocketUpgrader()),
    logger, clock, owned: [swarmEvents], ...parts.requestHeaders === undefined ? {} : { requestHeaders: parts.requestHeaders },
    headers: {
      'Api-Version': formatApiVersion(API_VERSION_MAX), 'Docker-Experimental': String(parts.experimental === true), 'Ostype': 'linux', 'Server': `Shoal/${version} (linux)`,
      ...corsOrigins === '' ? {} : { 'Access-Control-Allow-Origin': corsOrigins, ...CORS_HEADERS },
    },
  })
}

function routesOf({ backends, clock, random }: ApiServerParts, swarmEvents: SwarmEvents): readonly Route[] {
  const { system, containers, execs, images, builder, networks, volumes, events, swarm, recovery, control } = backends
  return [
    ...systemRoutes(system), ...eventRoutes(events, swarmEvents, clock), ...diskUsageRoutes({ containers, images, volumes, builder }),
    ...containerRoutes(containers), ...containerStreamRoutes(containers), ...containerFileRoutes(containers), ...execRoutes(execs),
    ...imageRoutes(images), ...buildRoutes(builder), ...distributionRoutes(images), ...networkRoutes(networks, control, clock), ...volumeRoutes(volumes, control),
    ...swarmRoutes(swarm, control), ...recovery === undefined ? [] : swarmRecoveryRoutes(recovery), ...nodeRoutes(control), ...serviceRoutes(control, random), ...taskRoutes(control), ...swarmLogRoutes(control),
    ...secretRoutes(control), ...configRoutes(control), ...refusalRoutes(),
  ]
}
