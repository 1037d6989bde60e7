import { messageOf } from '../../base/errors.ts'
import { expandTemplate, sampleContext, type TemplateContext } from './template.ts'
import { invalidSpec } from './validate-annotations.ts'
import type { ConfigReference, ContainerSpec, FileTarget, HealthConfig, Mount, SecretReference } from './specs.ts'

const MILLISECOND_NS = 1_000_000
// The reference grammar of the image distribution specification, in the looseness that matters here: [host[:port]/]path[:tag][@digest].
const IMAGE = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?\/|\[[a-fA-F0-9:]+\](?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$/

/** @param serviceLabels what templates may ask for @throws ShoalError `invalid-spec` with Docker's texts */
export function validateContainerSpec(container: ContainerSpec | undefined, serviceLabels: Readonly<Record<string, string>> = {}): void {
  if (container === undefined) throw invalidSpec('ContainerSpec: missing in service spec')
  validateImage(container.image)
  validateMounts(container.mounts)
  validateHealthcheck(container.healthcheck)
  validateTemplates(container, serviceLabels)
  validateReferences('secret', container.secrets)
  validateReferences('config', container.configs)
}

function validateImage(image: string): void {
  if (image === '') throw invalidSpec('ContainerSpec: image reference must be provided')
  if (!IMAGE.test(image)) throw invalidSpec(`ContainerSpec: "${image}" is not a valid repository/tag`)
}

function validateMounts(mounts: readonly Mount[]): void {
  const targets = new Set<string>()
  for (const mount of mounts) {
    if (targets.has(mount.target)) throw invalidSpec(`ContainerSpec: duplicate mount point: ${mount.target}`)
    targets.add(mount.target)
  }
}

function validateHealthcheck(check: HealthConfig | undefined): void {
  if (check === undefined) return
  const durations = { Interval: check.intervalNs, Timeout: check.timeoutNs, StartPeriod: check.startPeriodNs, StartInterval: check.startIntervalNs }
  for (const [name, value] of Object.entries(durations)) {
    if (value !== 0 && value < MILLISECOND_NS) throw invalidSpec(`ContainerSpec: ${name} in HealthConfig cannot be less than 1ms`)
  }
  if (check.retries < 0) throw invalidSpec('ContainerSpec: Retries in HealthConfig cannot be negative')
}

/** Whatever a node would refuse is refused here, with sample values in the fields' places (M01, M03). */
function validateTemplates(container: ContainerSpec, serviceLabels: Readonly<Record<string, string>>): void {
  const context = sampleContext(serviceLabels)
  const check = (field: string, text: string, template = text): void => checkTemplate({ field, text, template }, context)
  check('hostname', container.hostname)
  for (const entry of container.env) if (entry.includes('=')) check('env', entry, entry.slice(entry.indexOf('=') + 1))
  for (const { source, target, volume } of container.mounts) {
    check('mount source', source)
    check('mount target', target)
    for (const label of Object.values(volume?.labels ?? {})) check('volume labels', label)
    for (const option of Object.values(volume?.driver?.options ?? {})) check('volume driver options', option)
  }
}

function checkTemplate({ field, text, template }: { readonly field: string; readonly text: string; readonly template: string }, context: TemplateContext): void {
  try {
    expandTemplate(template, context)
  } catch (error) {
    throw invalidSpec(`expanding ${field} ${JSON.stringify(text)} failed: ${messageOf(error)}`)
  }
}

function validateReferences(kind: 'secret' | 'config', references: readonly (SecretReference | ConfigReference)[]): void {
  const names = new Map<string, string>()
  for (const reference of references) {
    const { id, name, file } = partsOf(reference)
    if (id === '' || name === '') throw invalidSpec(`malformed ${kind} reference`)
    if (file === undefined) {
      if ('runtime' in reference && reference.runtime) continue
      throw invalidSpec(`malformed ${kind} reference, no target provided`)
    }
    if (file.name === '') throw invalidSpec(`malformed file ${kind} reference, invalid target file name provided`)
    const other = names.get(file.name)
    if (other !== undefined) throw invalidSpec(`${kind} references '${other}' and '${name}' have a conflicting target: '${file.name}'`)
    names.set(file.name, name)
  }
}

function partsOf(reference: SecretReference | ConfigReference): { id: string; name: string; file: FileTarget | undefined } {
  if ('secretId' in reference) return { id: reference.secretId, name: reference.secretName, file: reference.file }
  return { id: reference.configId, name: reference.configName, file: reference.file }
}
