import type { Scenario } from './case.ts'

export const NETWORK_CASES: readonly Scenario[] = [
]
