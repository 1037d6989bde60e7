import type { Images } from '../engine/engine.ts'
import type { PullImage } from './container-controller.ts'

/** Pulls a task's image to its end with the credentials that came with the service. @throws what the pull throws */
export async function pullImage(images: Images, { image, registryAuth }: Parameters<PullImage>[0], signal: AbortSignal): Promise<void> {
  const lines = images.pull?.({ reference: image, allTags: false, ...(registryAuth === '' ? {} : { registryAuth }) }, signal)
  // The lines are for people who wait; a failure ends them with an error.
  for await (const _line of lines ?? []) signal.throwIfAborted()
}
