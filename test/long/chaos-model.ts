import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { randomInt, type Random } from '../../src/base/random.ts'

/** One thing that goes wrong. `host` counts from 1; `leader` and `follower` are found when the fault begins. */
export type Fault =
  | { readonly kind: 'kill-manager'; readonly whom: 'leader' | 'follower' }
  | { readonly kind: 'kill-daemon'; readonly host: number }
  | { readonly kind: 'kill-host'; readonly host: number }
  | { readonly kind: 'kill-all' }
  | { readonly kind: 'cut'; readonly whom: 'leader' | 'follower' | 'worker'; readonly forMs: number }
  | { readonly kind: 'freeze-manager'; readonly whom: 'leader' | 'follower'; readonly forMs: number }
  | { readonly kind: 'restart-daemon'; readonly host: number }
  | { readonly kind: 'kill-container'; readonly host: number }

/** What a user asks for while the fault is there. */
export type Wish = 'nothing' | 'scale' | 'update' | 'create'

export interface Step { readonly fault: Fault; readonly wish: Wish }

/** Longer than the 15 s after which a silent node counts as down. */
const LONG_CUT_MS = 24_000
const SHORT_CUT_MS = 5000

/** Every kind of fault at least once, in an order and with details that `seed` decides. */
export function planChaos(seed: number, managers: number, hosts: number): readonly Step[] {
  const random = new SeededRandom(seed)
  const host = (): number => 1 + randomInt(random, hosts)
  const freezeMs = (): number => 1000 + randomInt(random, 14_000)
  const steps: readonly Step[] = [
    { fault: { kind: 'kill-manager', whom: 'leader' }, wish: 'nothing' },
    { fault: { kind: 'kill-manager', whom: 'leader' }, wish: 'update' },
    { fault: { kind: 'kill-manager', whom: 'follower' }, wish: 'scale' },
    { fault: { kind: 'kill-daemon', host: host() }, wish: 'nothing' },
    { fault: { kind: 'kill-daemon', host: host() }, wish: 'update' },
    { fault: { kind: 'kill-host', host: 1 + randomInt(random, managers) }, wish: 'create' },
    { fault: { kind: 'kill-host', host: managers + 1 + randomInt(random, hosts - managers) }, wish: 'scale' },
    { fault: { kind: 'kill-all' }, wish: 'nothing' },
    { fault: { kind: 'kill-all' }, wish: 'update' },
    { fault: { kind: 'cut', whom: 'worker', forMs: SHORT_CUT_MS }, wish: 'nothing' },
    { fault: { kind: 'cut', whom: 'worker', forMs: LONG_CUT_MS }, wish: 'scale' },
    { fault: { kind: 'cut', whom: 'leader', forMs: SHORT_CUT_MS }, wish: 'update' },
    { fault: { kind: 'cut', whom: 'leader', forMs: LONG_CUT_MS }, wish: 'create' },
    { fault: { kind: 'cut', whom: 'follower', forMs: SHORT_CUT_MS }, wish: 'nothing' },
    { fault: { kind: 'freeze-manager', whom: 'leader', forMs: freezeMs() }, wish: 'scale' },
    { fault: { kind: 'freeze-manager', whom: 'leader', forMs: freezeMs() }, wish: 'nothing' },
    { fault: { kind: 'freeze-manager', whom: 'follower', forMs: freezeMs() }, wish: 'update' },
    { fault: { kind: 'restart-daemon', host: host() }, wish: 'nothing' },
    { fault: { kind: 'restart-daemon', host: host() }, wish: 'scale' },
    { fault: { kind: 'kill-container', host: host() }, wish: 'nothing' },
  ]
  return shuffled(steps, random)
}

/** Whether containers of hosts that the fault does not touch, and of those it kills daemons on, must go on with the same process. */
export function mayReplaceTasks(step: Step): boolean {
  return step.wish === 'update' || step.wish === 'scale' || step.fault.kind === 'kill-container' || (step.fault.kind === 'cut' && step.fault.forMs === LONG_CUT_MS)
}

export function describeStep({ fault, wish }: Step): string {
  const details = Object.entries(fault).filter(([key]) => key !== 'kind').map(([key, value]) => `${key} ${String(value)}`).join(', ')
  return `${fault.kind}${details === '' ? '' : ` (${details})`}${wish === 'nothing' ? '' : `, ${wish} meanwhile`}`
}

function shuffled<T>(values: readonly T[], random: Random): readonly T[] {
  const rest = [...values]
  const order: T[] = []
  while (rest.length > 0) order.push(...rest.splice(randomInt(random, rest.length), 1))
  return order
}
