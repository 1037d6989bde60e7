import type { FlagParser } from './flag-values.ts'

/** A flag with one value and the place in the service spec where it goes. */
export interface ScalarFlag { readonly name: string; readonly short?: string; readonly path: string; readonly parse: FlagParser; readonly description: string }
/** A flag without a value. */
export interface SwitchFlag { readonly name: string; readonly short?: string; readonly path: string; readonly description: string }
/** A flag that repeats. On create it is --name, on update --name-add and --name-rm; `key` tells which entry --name-rm means. */
export interface ListFlag { readonly name: string; readonly short?: string; readonly path: string; readonly kind: ListKind; readonly description: string }
export type ListKind = 'texts' | 'pairs' | 'map' | 'publish' | 'mount' | 'network' | 'secret' | 'config' | 'spread' | 'ulimit' | 'host' | 'generic'

const CONTAINER = 'TaskTemplate.ContainerSpec'

function rolloutFlags(prefix: 'update' | 'rollback', path: string): readonly ScalarFlag[] {
  return [
    { name: `${prefix}-parallelism`, path: `${path}.Parallelism`, parse: 'integer', description: `tasks to ${prefix} at once (0: all)` },
    { name: `${prefix}-delay`, path: `${path}.Delay`, parse: 'durationNs', description: `delay between task ${prefix}s` },
    { name: `${prefix}-failure-action`, path: `${path}.FailureAction`, parse: 'text', description: `on failure: pause, continue${prefix === 'update' ? ' or rollback' : ''}` },
    { name: `${prefix}-monitor`, path: `${path}.Monitor`, parse: 'durationNs', description: 'time after each task to watch for failure' },
    { name: `${prefix}-max-failure-ratio`, path: `${path}.MaxFailureRatio`, parse: 'ratio', description: 'failure rate to tolerate' },
    { name: `${prefix}-order`, path: `${path}.Order`, parse: 'text', description: 'start-first or stop-first' },
  ]
}

/** Flags of `service create` and `service update` alike. */
export const SCALAR_FLAGS: readonly ScalarFlag[] = [
  { name: 'hostname', path: `${CONTAINER}.Hostname`, parse: 'text', description: 'container hostname' },
  { name: 'user', short: 'u', path: `${CONTAINER}.User`, parse: 'text', description: 'user or uid[:group or gid]' },
  { name: 'workdir', short: 'w', path: `${CONTAINER}.Dir`, parse: 'text', description: 'working directory in the container' },
  { name: 'entrypoint', path: `${CONTAINER}.Command`, parse: 'words', description: 'overwrite the image\'s entrypoint' },
  { name: 'stop-signal', path: `${CONTAINER}.StopSignal`, parse: 'text', description: 'signal to stop the container' },
  { name: 'stop-grace-period', path: `${CONTAINER}.StopGracePeriod`, parse: 'durationNs', description: 'time to wait before killing a container' },
  { name: 'isolation', path: `${CONTAINER}.Isolation`, parse: 'text', description: 'container isolation' },
  { name: 'oom-score-adj', path: `${CONTAINER}.OomScoreAdj`, parse: 'integer', description: 'out-of-memory preference' },
  { name: 'health-cmd', path: `${CONTAINER}.HealthCheck.Test`, parse: 'shellTest', description: 'command to check health' },
  { name: 'health-interval', path: `${CONTAINER}.HealthCheck.Interval`, parse: 'durationNs', description: 'time between checks' },
  { name: 'health-timeout', path: `${CONTAINER}.HealthCheck.Timeout`, parse: 'durationNs', description: 'time one check may take' },
  { name: 'health-retries', path: `${CONTAINER}.HealthCheck.Retries`, parse: 'integer', description: 'failures in a row to be unhealthy' },
  { name: 'health-start-period', path: `${CONTAINER}.HealthCheck.StartPeriod`, parse: 'durationNs', description: 'time to start before failures count' },
  { name: 'health-start-interval', path: `${CONTAINER}.HealthCheck.StartInterval`, parse: 'durationNs', description: 'time between checks while starting' },
  { name: 'limit-cpu', path: 'TaskTemplate.Resources.Limits.NanoCPUs', parse: 'nanoCpus', description: 'limit CPUs' },
  { name: 'limit-memory', path: 'TaskTemplate.Resources.Limits.MemoryBytes', parse: 'bytes', description: 'limit memory' },
  { name: 'limit-pids', path: 'TaskTemplate.Resources.Limits.Pids', parse: 'integer', description: 'limit number of processes' },
  { name: 'reserve-cpu', path: 'TaskTemplate.Resources.Reservations.NanoCPUs', parse: 'nanoCpus', description: 'reserve CPUs' },
  { name: 'reserve-memory', path: 'TaskTemplate.Resources.Reservations.MemoryBytes', parse: 'bytes', description: 'reserve memory' },
  { name: 'restart-condition', path: 'TaskTemplate.RestartPolicy.Condition', parse: 'text', description: 'restart when: none, on-failure, any' },
  { name: 'restart-delay', path: 'TaskTemplate.RestartPolicy.Delay', parse: 'durationNs', description: 'delay between restarts' },
  { name: 'restart-max-attempts', path: 'TaskTemplate.RestartPolicy.MaxAttempts', parse: 'integer', description: 'restarts before giving up' },
  { name: 'restart-window', path: 'TaskTemplate.RestartPolicy.Window', parse: 'durationNs', description: 'window in which restarts are counted' },
  { name: 'replicas', path: 'Mode.Replicated.Replicas', parse: 'integer', description: 'number of tasks' },
  { name: 'replicas-max-per-node', path: 'TaskTemplate.Placement.MaxReplicas', parse: 'integer', description: 'tasks per node at most (0: any)' },
  { name: 'endpoint-mode', path: 'EndpointSpec.Mode', parse: 'text', description: 'vip or dnsrr' },
  { name: 'log-driver', path: 'TaskTemplate.LogDriver.Name', parse: 'text', description: 'logging driver' },
  ...rolloutFlags('update', 'UpdateConfig'),
  ...rolloutFlags('rollback', 'RollbackConfig'),
]

export const SWITCH_FLAGS: readonly SwitchFlag[] = [
  { name: 'tty', short: 't', path: `${CONTAINER}.TTY`, description: 'allocate a terminal' },
  { name: 'read-only', path: `${CONTAINER}.ReadOnly`, description: 'mount the root file system read-only' },
  { name: 'init', path: `${CONTAINER}.Init`, description: 'run an init that forwards signals and reaps processes' },
]

export const LIST_FLAGS: readonly ListFlag[] = [
  { name: 'env', short: 'e', path: `${CONTAINER}.Env`, kind: 'pairs', description: 'environment variable' },
  { name: 'label', short: 'l', path: 'Labels', kind: 'map', description: 'service label' },
  { name: 'container-label', path: `${CONTAINER}.Labels`, kind: 'map', description: 'container label' },
  { name: 'constraint', path: 'TaskTemplate.Placement.Constraints', kind: 'texts', description: 'placement constraint' },
  { name: 'placement-pref', path: 'TaskTemplate.Placement.Preferences', kind: 'spread', description: 'placement preference: spread=node.labels.X' },
  { name: 'network', path: 'TaskTemplate.Networks', kind: 'network', description: 'network' },
  { name: 'mount', path: `${CONTAINER}.Mounts`, kind: 'mount', description: 'file system mount' },
  { name: 'publish', short: 'p', path: 'EndpointSpec.Ports', kind: 'publish', description: 'publish a port' },
  { name: 'secret', path: `${CONTAINER}.Secrets`, kind: 'secret', description: 'secret' },
  { name: 'config', path: `${CONTAINER}.Configs`, kind: 'config', description: 'config' },
  { name: 'dns', path: `${CONTAINER}.DNSConfig.Nameservers`, kind: 'texts', description: 'DNS server' },
  { name: 'dns-search', path: `${CONTAINER}.DNSConfig.Search`, kind: 'texts', description: 'DNS search domain' },
  { name: 'dns-option', path: `${CONTAINER}.DNSConfig.Options`, kind: 'texts', description: 'DNS option' },
  { name: 'host', path: `${CONTAINER}.Hosts`, kind: 'host', description: 'host:ip for /etc/hosts' },
  { name: 'group', path: `${CONTAINER}.Groups`, kind: 'texts', description: 'supplementary group' },
  { name: 'cap-add', path: `${CONTAINER}.CapabilityAdd`, kind: 'texts', description: 'add a capability' },
  { name: 'cap-drop', path: `${CONTAINER}.CapabilityDrop`, kind: 'texts', description: 'drop a capability' },
  { name: 'sysctl', path: `${CONTAINER}.Sysctls`, kind: 'map', description: 'kernel parameter' },
  { name: 'ulimit', path: `${CONTAINER}.Ulimits`, kind: 'ulimit', description: 'limit: name=soft[:hard]' },
  { name: 'log-opt', path: 'TaskTemplate.LogDriver.Options', kind: 'map', description: 'logging driver option' },
  { name: 'generic-resource', path: 'TaskTemplate.Resources.Reservations.GenericResources', kind: 'generic', description: 'reserve kind=count' },
]

/** Lists that `service update` changes under their plain name, as Docker has it (--cap-add, --log-opt), with no -rm twin. */
export const PLAIN_ON_UPDATE: ReadonlySet<string> = new Set(['cap-add', 'cap-drop', 'log-opt'])
