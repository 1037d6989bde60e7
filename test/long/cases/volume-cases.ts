import type { Scenario } from './case.ts'

export const VOLUME_CASES: readonly Scenario[] = [
]
