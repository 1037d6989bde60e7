import { isAtLeast, type ApiVersion } from './api-version.ts'

/** The content type of a container's output: framed and raw are told apart since API 1.42. */
export function outputType(tty: boolean, version: ApiVersion): string {
  return !tty && isAtLeast(version, 42) ? 'application/vnd.docker.multiplexed-stream' : 'application/vnd.docker.raw-stream'
}
