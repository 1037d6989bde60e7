/** What agent/monitor must speak: PROTOCOL in monitor.h, raised together with this (D-287). */
export const MONITOR_PROTOCOL = 4
