import type { CommitRequest, CommittedContainer } from '../image/commit-image.ts'
import type { StoredImage } from '../image/image-store.ts'
import type { Container } from './container.ts'
import { mergeConfig } from './container-create.ts'
import type { ContainerFiles } from './container-files.ts'
import type { ContainerTable } from './container-table.ts'
import type { Lifecycle } from './lifecycle.ts'

export interface CommitParts { readonly table: ContainerTable; readonly files: ContainerFiles; readonly lifecycle: Lifecycle }

/** Hands a container over to `work`, paused meanwhile if it runs and that is asked; it goes on in any case. @throws `no-such-container` */
export async function commitContainer({ table, files, lifecycle }: CommitParts, request: CommitRequest, work: (source: CommittedContainer) => Promise<StoredImage>, name: string | undefined): Promise<StoredImage> {
  const container = table.get(request.container)
  const pauses = request.pause && container.state.status === 'running'
  if (pauses) await lifecycle.pause(container, { isBrief: true })
  try {
    const { imageId, diffIds, config } = container.record
    const image = await work({ imageId, diffIds, config, layer: () => files.layer(container), merge: asked => mergeConfig(asked, config) })
    lifecycle.publish(container, 'commit', { comment: request.comment ?? '', imageID: image.id, ...(name === undefined ? {} : { imageRef: name }) })
    return image
  } finally {
    // A process that was killed meanwhile is not paused any more.
    if (pauses && isPaused(container)) await lifecycle.unpause(container)
  }
}

function isPaused(container: Container): boolean { return container.state.status === 'paused' }
