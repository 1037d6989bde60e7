import { working } from './setting.ts'
import { badConfig, integerType, LIST, TEXT, textType, type SettingType } from './setting-types.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** "90s", "30m", "24h", "7d", "1h30m". */
const DURATION_MS: SettingType<number> = (() => {
  const parse = (text: string, name: string): number => {
    const parts = [...text.matchAll(/(\d+)([smhd])/g)]
    const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS_MS[unit ?? ''] ?? 0), 0)
    if (parts.map(([part]) => part).join('') !== text || ms < 1000) throw badConfig(`${name}: invalid duration: '${text}'; give 30m, 24h or 7d`)
    return ms
  }
  const text = textType(value => value)
  return { flagForm: 'word', fromFlag: (words, name) => parse(text.fromFlag(words, name), name), fromJson: (value, name) => parse(text.fromJson(value, name), name) }
})()

/** A shorter one would not be kept by a process that has other things to do. */
const RAFT_TICK_MIN_MS = 10

/** Our own: what dockerd has no setting for, and its two of raft's timing. */
export const SWARM_SETTINGS = {
  swarmManagers: working({ flag: '--swarm-manager <name>', key: 'swarm-managers', type: LIST, fallback: [], reloadable: true, help: 'name or address, and perhaps port, under which managers of this host\'s cluster are found, should all that it knows have moved' }),
  swarmBackupFolder: working({ flag: '--swarm-backup-dir <dir>', key: 'swarm-backup-dir', type: TEXT, fallback: '', reloadable: true, help: 'on a manager: folder to save the whole cluster to, sealed; best one that outlives this host' }),
  swarmBackupIntervalMs: working({ flag: '--swarm-backup-interval <duration>', key: 'swarm-backup-interval', type: DURATION_MS, fallback: 86_400_000, reloadable: true, help: 'how often the cluster is saved: 30m, 24h, 7d' }),
  swarmBackupsKept: working({ flag: '--swarm-backup-keep <count>', key: 'swarm-backup-keep', type: integerType(1), fallback: 7, reloadable: true, help: 'how many of these a manager keeps' }),
  swarmBackupPassphraseFile: working({ flag: '--swarm-backup-passphrase-file <file>', key: 'swarm-backup-passphrase-file', type: TEXT, fallback: '', reloadable: true, help: 'file with the passphrase that they are sealed with; keep it elsewhere too' }),
  swarmRaftTickMs: working({ flag: '--swarm-raft-tick <milliseconds>', key: 'swarm-raft-tick', type: integerType(RAFT_TICK_MIN_MS), fallback: 100, help: 'on a manager: time of one tick of raft; alike on all managers, and more on slow links' }),
  swarmRaftHeartbeatTick: working({ key: 'swarm-raft-heartbeat-tick', type: integerType(0), fallback: 0, help: 'of a cluster that this host founds: ticks between two heartbeats of the leader; 0 for 1' }),
  swarmRaftElectionTick: working({ key: 'swarm-raft-election-tick', type: integerType(0), fallback: 0, help: 'of a cluster that this host founds: ticks of silence after which managers elect another leader; 0 for ten heartbeats' }),
} as const
