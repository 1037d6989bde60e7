import { BUILD_CASES } from './build-cases.ts'
import type { Scenario } from './case.ts'
import { CONTAINER_CASES } from './container-cases.ts'
import { CREATE_CASES } from './create-cases.ts'
import { EXEC_CASES } from './exec-cases.ts'
import { IMAGE_CASES } from './image-cases.ts'
import { IO_CASES } from './io-cases.ts'
import { NET_CASES } from './net-cases.ts'
import { NETWORK_CASES } from './network-cases.ts'
import { NEWER_CASES } from './newer-cases.ts'
import { REGISTRY_CASES } from './registry-cases.ts'
import { STREAM_CASES } from './stream-cases.ts'
import { SYSTEM_CASES } from './system-cases.ts'
import { VOLUME_CASES } from './volume-cases.ts'

const AREAS: Readonly<Record<string, readonly Scenario[]>> = { build: BUILD_CASES, container: CONTAINER_CASES, create: CREATE_CASES, exec: EXEC_CASES, image: IMAGE_CASES, io: IO_CASES, net: NET_CASES, network: NETWORK_CASES, newer: NEWER_CASES, registry: REGISTRY_CASES, stream: STREAM_CASES, system: SYSTEM_CASES, volume: VOLUME_CASES }

/** Every scenario with its area. To add an area: a file beside this one, a line above. */
export const SCENARIOS: readonly { readonly area: string; readonly scenario: Scenario }[] = Object.entries(AREAS).flatMap(([area, scenarios]) => scenarios.map(scenario => ({ area, scenario })))
