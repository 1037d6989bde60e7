import type { Scenario } from './case.ts'

export const EXEC_CASES: readonly Scenario[] = [
]
