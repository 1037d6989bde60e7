import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container } from './container.ts'
import { isUp } from './container-record.ts'
import { bridgeLinks, parseLink } from './link-environment.ts'

/** A link, taken out of the record of the container that has it and, if that runs, out of its /etc/hosts. Durable when it resolves. @param directory of the linker's own files */
export async function removeLink({ linker, alias, target }: { readonly linker: Container; readonly alias: string; readonly target: Container }, directory: string): Promise<void> {
  await linker.lock.run(async () => {
    const { hostConfig, sandbox } = linker.record
    const Links = (hostConfig.Links ?? []).filter(link => parseLink(link).alias !== alias)
    const hosts = isUp(linker.state) && sandbox !== undefined ? withoutLink(sandbox.hosts, alias, target.id) : undefined
    await linker.update({ hostConfig: { ...hostConfig, Links }, ...(sandbox === undefined || hosts === undefined ? {} : { sandbox: { ...sandbox, hosts } }) }, { sync: true })
    // In place: the file is bind-mounted into the running container.
    if (hosts !== undefined) await writeFile(join(directory, 'hosts'), hosts)
  })
}

/** The names that others have for containers by their links, by the containers' ids. */
export function namesByLinks(containers: readonly Container[], idOf: (ref: string) => string | undefined): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  for (const { record } of containers) {
    for (const { target, alias } of bridgeLinks(record)) {
      const id = idOf(target) ?? target
      names.set(id, [...names.get(id) ?? [], `/${record.name}/${alias}`])
    }
  }
  return names
}

/** The line that the link made: address, alias, short id and name of then. */
function withoutLink(hosts: string, alias: string, id: string): string {
  return hosts.split('\n').filter(line => { const [, first, second] = line.split(/\s+/); return first !== alias || second !== id.slice(0, 12) }).join('\n')
}
