import { existsSync } from 'node:fs'
import type { NetworkKernel } from '../network-kernel.ts'
import { loadLibc } from './libc.ts'
import { LinuxConntrack } from './linux-conntrack.ts'
import { LinuxLinks } from './linux-links.ts'
import { LinuxModules } from './linux-modules.ts'
import { LinuxNetns } from './linux-netns.ts'
import { LinuxNetnsSockets } from './linux-netns-sockets.ts'
import { LinuxNft } from './linux-nft.ts'
import { LinuxProcesses } from './linux-processes.ts'
import { NetworkLibc } from './network-libc.ts'
import { UserNamespaces } from './user-namespaces.ts'

/** The network kernel of this machine, standing in the namespace of the calling thread. Call on the main thread, once. */
export function createLinuxNetworkKernel(): NetworkKernel {
  const libc = new NetworkLibc()
  return {
    netns: new LinuxNetns(libc, new UserNamespaces(new LinuxProcesses(loadLibc()))),
    links: new LinuxLinks(libc),
    nft: new LinuxNft(libc),
    conntrack: new LinuxConntrack(libc),
    sockets: new LinuxNetnsSockets(libc),
    modules: new LinuxModules(),
    hasIpv6: existsSync('/proc/sys/net/ipv6'),
  }
}
