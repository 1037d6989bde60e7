import { cpus } from 'node:os'
import { raftTicksOf } from './raft-ticks.ts'
import { parseFlags, type ParsedFlags } from './settings/parse-flags.ts'
import { readSettings } from './settings/read-settings.ts'
import { badConfig } from './settings/setting-types.ts'
import type { LOG_LEVELS } from './settings/service-settings.ts'
import type { Settings } from './settings/settings.ts'

/** Everything the daemon can be told, complete: the settings (settings/settings.ts is the table, with how to add to it) and what follows from them. */
export interface DaemonConfig extends Settings {
  readonly logLevel: typeof LOG_LEVELS[number]
  readonly tls: TlsConfig | undefined
  readonly cpuCount: number
}
export interface TlsConfig { readonly verify: boolean; readonly caFile: string; readonly certFile: string; readonly keyFile: string }

const PLAIN_PORT = 2375
const TLS_PORT = 2376

/**
 * Command line and configuration file to a whole configuration.
 * @throws ShoalError `bad-daemon-config` on unknown flags or keys, a key given in both places, values of the wrong type, or settings that are refused
 */
export function parseDaemonConfig(argv: readonly string[]): DaemonConfig {
  return daemonConfig(parseFlags(argv))
}

/** @throws ShoalError `bad-daemon-config` */
export function daemonConfig(flags: ParsedFlags): DaemonConfig {
  return completeConfig(readSettings(flags))
}

/** @throws ShoalError `bad-daemon-config` when settings contradict each other */
export function completeConfig(settings: Settings): DaemonConfig {
  expectOneValueEach(settings.labels)
  raftTicksOf(settings)
  if (settings.swarmBackupFolder !== '' && settings.swarmBackupPassphraseFile === '') throw badConfig('swarm-backup-dir needs swarm-backup-passphrase-file: backups hold the cluster\'s secrets, and are sealed')
  const tls = tlsOf(settings)
  return { ...settings, hosts: settings.hosts.map(host => withPort(host, tls)), logLevel: settings.debug ? 'debug' : settings.level, tls, cpuCount: cpus().length }
}

function withPort(host: string, tls: TlsConfig | undefined): string {
  if (!host.startsWith('tcp://') || /:\d+$/.test(host)) return host
  return `${host}:${tls === undefined ? PLAIN_PORT : TLS_PORT}`
}

function tlsOf({ tlsEnabled, tlsVerify, tlsCaFile, tlsCertFile, tlsKeyFile }: Settings): TlsConfig | undefined {
  if (!tlsEnabled && !tlsVerify) return undefined
  return { verify: tlsVerify, caFile: tlsCaFile, certFile: tlsCertFile, keyFile: tlsKeyFile }
}

function expectOneValueEach(labels: readonly string[]): void {
  const values = new Map<string, string>()
  for (const label of labels) {
    const at = label.indexOf('=')
    const [key, value] = [label.slice(0, at), label.slice(at + 1)]
    const known = values.get(key)
    if (known !== undefined && known !== value) throw badConfig(`conflict labels for ${key}=${value} and ${key}=${known}`)
    values.set(key, value)
  }
}
