import { ShoalError } from '../../base/errors.ts'

/** An Engine API version, e.g. 1.41. */
export interface ApiVersion { readonly major: number; readonly minor: number }

export const API_VERSION_MAX: ApiVersion = { major: 1, minor: 50 }
export const API_VERSION_MIN: ApiVersion = { major: 1, minor: 24 }

/** "1.41". */
export function formatApiVersion(version: ApiVersion): string {
  return `${version.major}.${version.minor}`
}

/** True when `version` is 1.`minor` or newer. */
export function isAtLeast(version: ApiVersion, minor: number): boolean {
  return version.major > 1 || (version.major === 1 && version.minor >= minor)
}

export interface VersionedPath { readonly version: ApiVersion; readonly path: string }

/**
 * Takes the version prefix off a path; none means the newest.
 * @throws ShoalError `api-version-unsupported` (invalid-argument) in the words clients parse
 */
export function splitVersion(path: string): VersionedPath {
  const match = /^\/v(\d{1,4})\.(\d{1,4})(\/.*|$)/.exec(path)
  if (match === null) return { version: API_VERSION_MAX, path }
  const version = { major: Number(match[1]), minor: Number(match[2]) }
  if (compare(version, API_VERSION_MAX) > 0) {
    throw unsupported(`client version ${formatApiVersion(version)} is too new. Maximum supported API version is ${formatApiVersion(API_VERSION_MAX)}`)
  }
  if (compare(version, API_VERSION_MIN) < 0) {
    throw unsupported(`client version ${formatApiVersion(version)} is too old. Minimum supported API version is ${formatApiVersion(API_VERSION_MIN)}, please upgrade your client to a newer version`)
  }
  return { version, path: match[3] === '' ? '/' : match[3] ?? '/' }
}

function compare(a: ApiVersion, b: ApiVersion): number {
  return a.major - b.major || a.minor - b.minor
}

function unsupported(message: string): ShoalError {
  return new ShoalError('invalid-argument', 'api-version-unsupported', message)
}
