import type { Layer } from '../image/layer-store.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'
import { layersOf, type BuildSession } from './build-session.ts'
import { makeDirectories } from './copy-tree.ts'
import { StepRoot } from './step-root.ts'

/** Where a WORKDIR leads from the one before; an absolute one stays as it is written, as in Docker. */
export function workdirPath(before: string | undefined, path: string): string {
  if (path.startsWith('/')) return path
  const parts: string[] = []
  for (const part of `${before ?? ''}/${path}`.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

/** Makes the directory if the image has none. @returns the layer of it */
export async function makeWorkdir(path: string, imageId: string, { parts, token, next }: BuildSession): Promise<Layer | undefined> {
  const { snapshotter, store, kernel } = parts
  await using step = await StepRoot.open(`${token}-${next()}`, layersOf(store, imageId), { snapshotter, layers: store.layers, mounts: kernel.mounts })
  await makeDirectories(await resolveInRoot(step.root, path), { uid: 0, gid: 0 })
  return await step.keep()
}
