import type { Node, Task } from '../../src/api/swarm/objects.ts'
import type { TemplateContext } from '../../src/api/swarm/template.ts'

/** What the templates of a task's container see (M02). */
export function templateContext(task: Task, node: Node | undefined): TemplateContext {
  const platform = node?.description?.platform
  return {
    serviceLabels: task.serviceAnnotations?.labels ?? {},
    values: {
      '.Service.ID': task.serviceId,
      '.Service.Name': task.serviceAnnotations?.name ?? '',
      '.Node.ID': task.nodeId,
      '.Node.Hostname': node?.description?.hostname ?? '',
      '.Node.Platform.OS': platform?.os ?? '',
      '.Node.Platform.Architecture': platform?.architecture ?? '',
      '.Task.ID': task.id,
      '.Task.Name': task.annotations?.name ?? '',
      '.Task.Slot': task.slot > 0 ? String(task.slot) : task.nodeId,
    },
  }
}
