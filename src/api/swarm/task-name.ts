/**
 * The name of a task, which is also its container's: service.slot.id, or service.nodeid.id where there is no slot.
 * Slot 0 of a replicated job reads as "no slot", as in swarmkit. A plain attached container has its id for a name.
 */
export function taskName(task: { readonly id: string; readonly serviceName: string; readonly slot: number; readonly nodeId: string }): string {
  if (task.serviceName === '') return task.id
  return `${task.serviceName}.${taskSlotText(task)}.${task.id}`
}

/** The middle of the name, and what {{.Task.Slot}} gives. */
export function taskSlotText(task: { readonly slot: number; readonly nodeId: string }): string {
  return task.slot === 0 ? task.nodeId : String(task.slot)
}
