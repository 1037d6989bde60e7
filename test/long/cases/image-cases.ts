import type { Scenario } from './case.ts'

export const IMAGE_CASES: readonly Scenario[] = [
]
