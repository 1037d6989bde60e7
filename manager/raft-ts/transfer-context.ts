/** Context of a vote request that comes from a leadership transfer: it overrides the leader's lease. */
export const TRANSFER_CONTEXT = new TextEncoder().encode('CampaignTransfer')

export function isTransferContext(context: Uint8Array | undefined): boolean {
  return context !== undefined && context.length === TRANSFER_CONTEXT.length && context.every((byte, i) => byte === TRANSFER_CONTEXT[i])
}
