import { OverlaySnapshotter } from '../../agent/engine/snapshot/overlay-snapshotter.ts'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import { snapshotterSuite } from '../conformance/snapshotter.ts'

snapshotterSuite('overlay', root => new OverlaySnapshotter(root, createLinuxKernel().mounts), { skip: process.getuid?.() === 0 ? false : 'needs root' })
