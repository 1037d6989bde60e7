import { invalidSpec, validateDnsName } from './validate-annotations.ts'
import { parseConstraints } from './constraint.ts'
import { validateContainerSpec } from './validate-container-spec.ts'
import type { EndpointSpec, ResourceRequirements, Resources, RestartPolicy, ServiceSpec, TaskSpec, UpdateConfig } from './specs.ts'

const NANO_CPUS_MIN = 1_000_000
const MEMORY_BYTES_MIN = 4 * 1024 * 1024
const PORT_MAX = 65_535

/**
 * Everything about a service spec that can be judged without the store. Texts and order are Docker's.
 * @throws ShoalError `invalid-spec` (invalid-argument), `constraint-malformed` (unknown)
 */
export function validateServiceSpec(spec: ServiceSpec): void {
  validateDnsName(spec.annotations)
  validateTaskSpec(spec.task, spec.annotations?.labels ?? {})
  validateMode(spec)
  validateUpdateConfig(spec.update)
  validateUpdateConfig(spec.rollback)
  validateEndpointSpec(spec.endpoint)
}

/** True for the two modes that run to completion. */
export function isJobSpec(spec: ServiceSpec | undefined): boolean {
  return spec?.replicatedJob !== undefined || spec?.globalJob !== undefined
}

function validateTaskSpec(task: TaskSpec | undefined, serviceLabels: Readonly<Record<string, string>>): void {
  validateResourceRequirements(task?.resources)
  validateRestartPolicy(task?.restart)
  if (task === undefined) throw invalidSpec('TaskSpec: missing runtime')
  parseConstraints(task.placement?.constraints ?? [])
  if (task.runtime !== '' && task.runtime !== 'container') {
    throw invalidSpec(`TaskSpec: runtime "${task.runtime}" is not supported; leave it out to run a container`)
  }
  validateContainerSpec(task.container, serviceLabels)
}

function validateResourceRequirements(resources: ResourceRequirements | undefined): void {
  validateResources(resources?.limits)
  validateResources(resources?.reservations)
}

function validateResources(resources: Resources | undefined): void {
  if (resources === undefined) return
  if (resources.nanoCpus !== 0 && resources.nanoCpus < NANO_CPUS_MIN) {
    throw invalidSpec(`invalid cpu value ${resources.nanoCpus / 1e9}: Must be at least ${NANO_CPUS_MIN / 1e9}`)
  }
  if (resources.memoryBytes !== 0 && resources.memoryBytes < MEMORY_BYTES_MIN) {
    throw invalidSpec(`invalid memory value ${resources.memoryBytes}: Must be at least 4MiB`)
  }
}

function validateRestartPolicy(policy: RestartPolicy | undefined): void {
  if ((policy?.delayNs ?? 0) < 0) throw invalidSpec('TaskSpec: restart-delay cannot be negative')
  if ((policy?.windowNs ?? 0) < 0) throw invalidSpec('TaskSpec: restart-window cannot be negative')
}

function validateMode(spec: ServiceSpec): void {
  const modes = [spec.replicated, spec.global, spec.replicatedJob, spec.globalJob].filter(mode => mode !== undefined)
  if (modes.length !== 1) throw invalidSpec('must specify exactly one service mode')
  if (isJobSpec(spec) && (spec.update !== undefined || spec.rollback !== undefined)) throw invalidSpec('Jobs may not have an update config')
}

function validateUpdateConfig(config: UpdateConfig | undefined): void {
  if (config === undefined) return
  if (config.delayNs < 0) throw invalidSpec('TaskSpec: update-delay cannot be negative')
  if ((config.monitorNs ?? 0) < 0) throw invalidSpec('TaskSpec: update-monitor cannot be negative')
  if (!(config.maxFailureRatio >= 0 && config.maxFailureRatio <= 1)) {
    throw invalidSpec('TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1')
  }
}

function validateEndpointSpec(endpoint: EndpointSpec | undefined): void {
  const published = new Set<string>()
  for (const port of endpoint?.ports ?? []) {
    if (port.publishMode === 'ingress' && endpoint?.mode === 'dnsrr') {
      throw invalidSpec("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
    }
    if (port.protocol === 'sctp') throw invalidSpec(`EndpointSpec: port ${port.targetPort}/sctp can not be published: only tcp and udp ports can`)
    if (port.targetPort === 0 || port.targetPort > PORT_MAX || port.publishedPort > PORT_MAX) {
      throw invalidSpec(`EndpointSpec: ports must be in the range 1..${PORT_MAX}`)
    }
    if (port.publishedPort === 0) continue
    const key = `${port.protocol}/${port.publishedPort}`
    if (published.has(key)) throw invalidSpec('EndpointSpec: duplicate published ports provided')
    published.add(key)
  }
}
