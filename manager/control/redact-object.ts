import type { StoreObject, Task } from '../../src/api/swarm/objects.ts'
import type { ServiceSpec, TaskSpec } from '../../src/api/swarm/specs.ts'
import type { ObjectKind, ObjectTypes } from '../store/object-store.ts'


/** The object as it may leave the managers: without secret data, registry passwords and the CA's key (B13, B19, Q02). */
export function redactObject<K extends ObjectKind>(kind: K, object: ObjectTypes[K]): StoreObject {
  const full: StoreObject = { [kind]: object }
  if (full.secret?.spec !== undefined) return { secret: { ...full.secret, spec: { ...full.secret.spec, data: new Uint8Array() } } }
  if (full.cluster?.rootCa !== undefined) return { cluster: { ...full.cluster, rootCa: { ...full.cluster.rootCa, keyPem: new Uint8Array() } } }
  if (full.task !== undefined) return { task: redactTask(full.task) }
  const { service } = full
  if (service === undefined) return full
  return { service: { ...service, spec: redactService(service.spec), previousSpec: redactService(service.previousSpec) } }
}

function redactTask(task: Task): Task {
  return task.spec === undefined ? task : { ...task, spec: redactTaskSpec(task.spec) }
}

function redactService(spec: ServiceSpec | undefined): ServiceSpec | undefined {
  return spec?.task === undefined ? spec : { ...spec, task: redactTaskSpec(spec.task) }
}

function redactTaskSpec(spec: TaskSpec): TaskSpec {
  return spec.container === undefined || spec.container.registryAuth === '' ? spec : { ...spec, container: { ...spec.container, registryAuth: '' } }
}
