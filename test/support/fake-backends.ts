import type { Backends } from '../../src/http/backends.ts'
import { FakeContainers } from './fake-containers.ts'

export interface FakeBackends extends Backends { readonly containers: FakeContainers }

/** A whole API behind which nothing happens. */
export function fakeBackends(): FakeBackends {
  return {
    system: {
      info: async () => ({ ID: 'fake', Name: 'testhost', ServerVersion: '0.1.0', NCPU: 2, MemTotal: 1024 ** 3, KernelVersion: '6.1', OperatingSystem: 'Test Linux', Architecture: 'x86_64', SystemTime: '2026-01-01T00:00:00Z' }),
      version: async () => ({ Version: '0.1.0', Arch: 'amd64', KernelVersion: '6.1', GitCommit: 'abc', BuildTime: '2026-01-01T00:00:00.000000000+00:00' }),
      swarmInfo: async () => ({ LocalNodeState: 'inactive' }),
    },
    containers: new FakeContainers(),
  }
}
