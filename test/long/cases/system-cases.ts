import type { Scenario } from './case.ts'

export const SYSTEM_CASES: readonly Scenario[] = [
]
