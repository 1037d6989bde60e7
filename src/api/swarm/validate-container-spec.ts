import { invalidSpec } from './validate-annotations.ts'
import type { ConfigReference, ContainerSpec, FileTarget, HealthConfig, Mount, SecretReference } from './specs.ts'

const MILLISECOND_NS = 1_000_000
// The reference grammar of the image distribution specification, in the looseness that matters here: [host[:port]/]path[:tag][@digest].
const IMAGE = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?\/|\[[a-fA-F0-9:]+\](?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$/

const FIELD = /\{\{-?\s*((?:\.\w+)+)\s*-?\}\}/g
/** What a template may name (M02), beside labels. */
const TEMPLATE_FIELDS = new Set(['.Service.ID', '.Service.Name', '.Node.ID', '.Node.Hostname', '.Node.Platform.OS', '.Node.Platform.Architecture', '.Task.ID', '.Task.Name', '.Task.Slot'])

/** @throws ShoalError `invalid-spec` with Docker's texts */
export function validateContainerSpec(container: ContainerSpec | undefined): void {
  if (container === undefined) throw invalidSpec('ContainerSpec: missing in service spec')
  validateImage(container.image)
  validateMounts(container.mounts)
  validateHealthcheck(container.healthcheck)
  validateTemplates(container)
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

/** Bracket syntax and plain fields (M01, M03), before any task fails of them; what is more than a field is judged where the task runs. */
function validateTemplates(container: ContainerSpec): void {
  checkTemplate('hostname', container.hostname)
  for (const variable of container.env) checkTemplate('env', variable)
  for (const mount of container.mounts) {
    checkTemplate('mount source', mount.source)
    checkTemplate('mount target', mount.target)
  }
}

function checkTemplate(field: string, text: string): void {
  const unclosed = text.split('{{').slice(1).some(part => !part.includes('}}'))
  if (unclosed) throw invalidSpec(`expanding ${field} "${text}" failed: template: expansion:1: unclosed action`)
  for (const [, path = ''] of text.matchAll(FIELD)) {
    if (!TEMPLATE_FIELDS.has(path) && !path.startsWith('.Service.Labels')) throw invalidSpec(`expanding ${field} "${text}" failed: there is no ${path}`)
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
