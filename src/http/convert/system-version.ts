import type { SystemVersion } from '../../api/engine/engine-json.ts'
import { API_VERSION_MAX, API_VERSION_MIN, formatApiVersion } from '../server/api-version.ts'

/** GET /version with every member clients print; `Components` starts with the engine, as the CLI's server section expects. */
export function completeVersion(known: SystemVersion): SystemVersion {
  const apiVersion = formatApiVersion(API_VERSION_MAX)
  const minApiVersion = formatApiVersion(API_VERSION_MIN)
  const all = {
    Version: '', GitCommit: '', GoVersion: '', Os: 'linux', Arch: '', KernelVersion: '', BuildTime: '', Experimental: false,
    ...known, ApiVersion: apiVersion, MinAPIVersion: minApiVersion,
  }
  const engine = {
    Name: 'Engine', Version: all.Version,
    Details: {
      ApiVersion: apiVersion, MinAPIVersion: minApiVersion, Arch: all.Arch, Os: all.Os, KernelVersion: all.KernelVersion,
      BuildTime: all.BuildTime, Experimental: String(all.Experimental), GitCommit: all.GitCommit, GoVersion: all.GoVersion,
    },
  }
  return { Platform: { Name: 'Shoal' }, ...all, Components: [engine, ...known.Components ?? []] }
}
