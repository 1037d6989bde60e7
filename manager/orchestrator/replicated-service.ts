import { scaleSlots } from './scale.ts'
import type { ServicePlan } from './service-plan.ts'
import { clearSlot, slotFate, tendSlot } from './slot-restarts.ts'
import type { Slot } from './slots.ts'
import { updateSlots } from './updater.ts'

/** A replicated service: restart what failed, empty dead slots, meet the number of replicas, then roll an update on. */
export function reconcileReplicated(plan: ServicePlan): void {
  for (const slot of plan.slots('number')) {
    if (plan.isFull) return
    tendSlot(plan, slot)
  }
  const occupied: Slot[] = []
  for (const slot of plan.slots('number')) {
    if (slotFate(plan, slot) !== 'dead') occupied.push(slot)
    else if (!plan.isFull) clearSlot(plan, slot.tasks)
  }
  const kept = scaleSlots(plan, occupied)
  if (!plan.isFull) updateSlots(plan, kept, { isImmediate: false })
}
