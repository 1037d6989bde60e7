import { hostname } from 'node:os'
import type { DaemonConfig } from './daemon-config.ts'

/** What the event `daemon reload` says of the configuration now in effect; lists are JSON, as dockerd has them. */
export function reloadAttributes(config: DaemonConfig): Readonly<Record<string, string>> {
  return {
    'name': hostname(), 'debug': String(config.debug), 'labels': JSON.stringify(config.labels), 'live-restore': 'true', 'shutdown-timeout': String(config.shutdownTimeoutSeconds),
    'default-runtime': config.runtime, 'default-shm-size': String(config.defaultShmBytes), 'default-ipc-mode': config.defaultIpcMode, 'registry-mirrors': JSON.stringify(config.registryMirrors), 'insecure-registries': JSON.stringify(config.insecureRegistries),
    'max-concurrent-downloads': String(config.downloadsMax), 'max-concurrent-uploads': String(config.uploadsMax), 'max-download-attempts': String(config.downloadAttemptsMax),
  }
}
