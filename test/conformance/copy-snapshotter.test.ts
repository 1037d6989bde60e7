import { CopySnapshotter } from '../../agent/engine/snapshot/copy-snapshotter.ts'
import { snapshotterSuite } from './snapshotter.ts'

snapshotterSuite('copy', root => new CopySnapshotter(root))
