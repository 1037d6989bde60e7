import type { ContainerSpec, ServiceSpec, TaskSpec } from '../../api/engine/swarm-json.ts'
import { isAtLeast, type ApiVersion } from '../server/api-version.ts'

/** Blanks what a client of that API version cannot mean: fields that came later (B12). */
export function adjustForVersion(spec: ServiceSpec, version: ApiVersion): ServiceSpec {
  const task = spec.TaskTemplate
  const adjusted = task == null ? spec : { ...spec, TaskTemplate: adjustTask(task, version) }
  if (isAtLeast(version, 41) || adjusted.Mode == null) return adjusted
  return { ...adjusted, Mode: { ...adjusted.Mode, ReplicatedJob: undefined, GlobalJob: undefined } }
}

function adjustTask(task: TaskSpec, version: ApiVersion): TaskSpec {
  const container = task.ContainerSpec == null ? task.ContainerSpec : adjustContainer(task.ContainerSpec, version)
  const placement = task.Placement == null || isAtLeast(version, 40) ? task.Placement : { ...task.Placement, MaxReplicas: 0 }
  const limits = task.Resources?.Limits
  const resources = limits == null || isAtLeast(version, 41) ? task.Resources : { ...task.Resources, Limits: { ...limits, Pids: 0 } }
  return { ...task, ContainerSpec: container, Placement: placement, Resources: resources }
}

function adjustContainer(container: ContainerSpec, version: ApiVersion): ContainerSpec {
  let out = container
  if (!isAtLeast(version, 46)) {
    out = { ...out, OomScoreAdj: 0, Mounts: out.Mounts?.map(mount => mount.TmpfsOptions === undefined ? mount : { ...mount, TmpfsOptions: { ...mount.TmpfsOptions, Options: undefined } }) }
  }
  if (!isAtLeast(version, 44)) {
    out = {
      ...out, Privileges: out.Privileges == null ? out.Privileges : { ...out.Privileges, Seccomp: undefined, AppArmor: undefined, NoNewPrivileges: false },
      Healthcheck: out.Healthcheck == null ? out.Healthcheck : { ...out.Healthcheck, StartInterval: 0 },
    }
  }
  if (!isAtLeast(version, 41)) out = { ...out, CapabilityAdd: undefined, CapabilityDrop: undefined, Ulimits: undefined }
  if (isAtLeast(version, 40)) return out
  const credential = out.Privileges?.CredentialSpec
  return {
    ...out, Sysctls: undefined, Configs: out.Configs?.map(config => ({ ...config, Runtime: undefined })),
    Privileges: credential == null ? out.Privileges : { ...out.Privileges, CredentialSpec: { ...credential, Config: undefined } },
  }
}
