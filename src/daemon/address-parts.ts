/** The host of "host:port", without the brackets of an IPv6 address. */
export function hostOf(address: string): string { return address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') }

/** The port of "host:port". */
export function portOf(address: string): number { return Number(address.slice(address.lastIndexOf(':') + 1)) }
