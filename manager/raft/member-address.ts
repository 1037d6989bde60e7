/** Whether others can dial it: a host is named, and it is not "any". */
export function isDialable(addr: string): boolean {
  const host = addr.slice(0, addr.lastIndexOf(':'))
  return host !== '' && host !== '0.0.0.0' && host !== '[::]'
}

/** The address, with the one the caller was seen at in place of "any" (F10). */
export function dialableAddress(addr: string, remoteAddress: string): string {
  if (isDialable(addr)) return addr
  return `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}${addr.slice(addr.lastIndexOf(':'))}`
}
