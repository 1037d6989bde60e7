import type { SystemInfo, SystemVersion } from '../../api/engine/engine-json.ts'
import { completeInfo } from '../convert/system-info.ts'
import { completeVersion } from '../convert/system-version.ts'
import { AUTH_CONFIG } from '../json/resource-shapes.ts'
import { supported } from '../server/missing.ts'
import { json, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

export interface SystemBackend {
  /** What this host knows of itself; the route fills in what clients expect beside it. */
  info(): Promise<SystemInfo>
  version(): Promise<SystemVersion>
  /** The Swarm part of info, also behind the Swarm header of _ping. */
  swarmInfo(): Promise<NonNullable<SystemInfo['Swarm']>>
  /** Checks credentials against a registry. */
  auth?(credentials: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<{ readonly Status: string; readonly IdentityToken: string }>
}

export function systemRoutes(backend: SystemBackend): readonly Route[] {
  const ping = async (body: string): Promise<Reply> => ({
    kind: 'text', status: 200, body,
    headers: { 'Cache-Control': 'no-cache, no-store, must-revalidate', 'Pragma': 'no-cache', 'Builder-Version': '1', 'Swarm': swarmHeader(await backend.swarmInfo()) },
  })
  return [
    route('GET', '/_ping', () => ping('OK')),
    route('HEAD', '/_ping', () => ping('')),
    route('GET', '/version', async () => json(completeVersion(await backend.version()))),
    route('GET', '/info', async ({ version }) => json(completeInfo(await backend.info(), await backend.swarmInfo(), version))),
    route('POST', '/auth', async request => {
      const auth = supported(backend.auth, 'logging in to a registry')
      return json(await auth.call(backend, await request.json(AUTH_CONFIG), request.signal))
    }),
  ]
}

/** inactive, pending, error, locked, active/worker or active/manager. */
function swarmHeader(info: NonNullable<SystemInfo['Swarm']>): string {
  const state = info.LocalNodeState || 'inactive'
  return state === 'active' ? `active/${info.ControlAvailable === true ? 'manager' : 'worker'}` : state
}
