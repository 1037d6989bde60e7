import { scaleSlots } from './scale.ts'
import type { ServicePlan } from './service-plan.ts'
import { clearSlot, slotFate, tendSlot } from './slot-restarts.ts'
import { groupSlots } from './slots.ts'
import { updateSlots } from './updater.ts'

/** A replicated service: restart what failed, empty dead slots, meet the number of replicas, then roll an update on. */
export function reconcileReplicated(plan: ServicePlan): void {
  for (const slot of groupSlots(plan.tasks(), 'number')) {
    if (plan.isFull) return
    tendSlot(plan, slot)
  }
  const slots = groupSlots(plan.tasks(), 'number')
  for (const slot of slots) if (!plan.isFull && slotFate(plan, slot) === 'dead') clearSlot(plan, slot.tasks)
  const kept = scaleSlots(plan, slots.filter(slot => slotFate(plan, slot) !== 'dead'))
  if (!plan.isFull) updateSlots(plan, kept, { isImmediate: false })
}
