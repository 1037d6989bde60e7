import { invalidSpec, validatePlainName } from './validate-annotations.ts'
import type { ConfigSpec, SecretSpec } from './specs.ts'

const SECRET_BYTES_MAX = 500 * 1024
const CONFIG_BYTES_MAX = 1000 * 1024

/** @throws ShoalError `invalid-spec`: name, size 1..511999 bytes, template driver; secret drivers are refused */
export function validateSecretSpec(spec: SecretSpec): void {
  validatePlainName(spec.annotations)
  validateTemplating(spec)
  if (spec.driver !== undefined) throw invalidSpec(`secret driver "${spec.driver.name}" is not supported; give the data instead`)
  if (spec.data.length < 1 || spec.data.length >= SECRET_BYTES_MAX) {
    throw invalidSpec(`secret data must be larger than 0 and less than ${SECRET_BYTES_MAX} bytes`)
  }
}

/** @throws ShoalError `invalid-spec`: name, size 1..1023999 bytes, template driver */
export function validateConfigSpec(spec: ConfigSpec): void {
  validatePlainName(spec.annotations)
  validateTemplating(spec)
  if (spec.data.length < 1 || spec.data.length >= CONFIG_BYTES_MAX) {
    throw invalidSpec(`config data must be larger than 0 and less than ${CONFIG_BYTES_MAX} bytes`)
  }
}

function validateTemplating(spec: SecretSpec | ConfigSpec): void {
  const name = spec.templating?.name ?? ''
  if (name !== '' && name !== 'golang') throw invalidSpec(`unrecognized template type`)
}
