import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectableContainers } from '../network/container-networks.ts'
import { isUp } from './container-record.ts'
import type { ContainerTable } from './container-table.ts'
import { networkedContainer } from './networked-container.ts'

/** What `network connect` and `disconnect` need of containers, from the table. */
export function createConnectableContainers(table: ContainerTable): ConnectableContainers {
  return {
    find: async ref => {
      const container = table.get(ref)
      return { container: networkedContainer(container.record), isRunning: isUp(container.state) }
    },
    endpointsChanged: async (id, { endpoints, hasLeftMode }, sandbox) => {
      const container = table.get(id)
      await container.lock.run(async () => {
        // It may have ended meanwhile, and its sandbox with it.
        const current = isUp(container.state) ? sandbox : undefined
        await container.update({ endpoints, hasLeftMode: hasLeftMode === true, ...(current === undefined ? {} : { sandbox: current }) })
        // In place: the file is bind-mounted into the running container.
        if (current !== undefined) await writeFile(join(table.directory(id), 'hosts'), current.hosts)
      })
    },
  }
}
