import type { ContainerRecord } from './container-record.ts'

/** What every event of a container carries: its labels, image and name. */
export function eventAttributes(record: ContainerRecord): Readonly<Record<string, string>> {
  return { ...record.config.Labels, image: record.config.Image ?? '', name: record.name }
}
