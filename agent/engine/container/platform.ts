import { ShoalError } from '../../../src/base/errors.ts'

const ARCHITECTURES: Readonly<Record<string, string>> = { 'x86_64': 'amd64', 'x86-64': 'amd64', 'aarch64': 'arm64', 'armhf': 'arm', 'armel': 'arm', 'i386': '386' }
const KNOWN: ReadonlySet<string> = new Set(['amd64', 'arm64', 'arm', '386', 'ppc64le', 's390x', 'riscv64', 'loong64', 'mips64le', 'mips64', 'wasm'])

/**
 * Whether an image is for the platform that was asked for ("linux/arm64/v8", "arm64", ""). To clients another platform's image is a missing one: they pull.
 * @throws `no-such-image` (not-found), `invalid-config` (invalid-argument)
 */
export function checkPlatform(asked: string, name: string, image: { readonly os?: string; readonly architecture?: string }): void {
  if (asked === '') return
  const parts = asked.toLowerCase().split('/')
  const [os, given] = parts.length === 1 && parts[0] !== 'linux' && parts[0] !== 'windows' ? ['linux', parts[0]] : [parts[0] ?? '', parts[1]]
  const architecture = given === undefined ? undefined : ARCHITECTURES[given] ?? given
  if (architecture !== undefined && !KNOWN.has(architecture)) throw new ShoalError('invalid-argument', 'invalid-config', `"${given}": unknown operating system or architecture: invalid argument`)
  const [imageOs, imageArchitecture] = [image.os ?? 'linux', image.architecture ?? '']
  if (os === imageOs && (architecture === undefined || imageArchitecture === '' || architecture === imageArchitecture)) return
  throw new ShoalError('not-found', 'no-such-image', `image with reference ${name} was found but its platform (${imageOs}/${imageArchitecture}) does not match the specified platform (${[os, architecture ?? ''].join('/')})`)
}
