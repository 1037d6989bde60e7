import type { NetworkKernel } from '../../kernel/network-kernel.ts'

/** Bridged packets pass the rules of the IP layer only with this module: overlays and bridges without icc rest on it. @throws `kernel-module-missing` (failed-precondition) */
export async function needBridgeFilter(kernel: NetworkKernel): Promise<void> {
  await kernel.modules.need('br_netfilter', { sign: '/proc/sys/net/bridge/bridge-nf-call-iptables' })
}
