/**
 * Who may import whom. Longest matching prefix wins on both sides; a folder may always import itself.
 * Order is bottom to top: a reader can trust that a line only names lines above it.
 */
export const LAYERS: readonly (readonly [folder: string, mayImport: readonly string[]])[] = [
  ['src/base', []],
  ['src/api', ['src/base']],
  ['src/ca', ['src/base', 'src/api']],
  ['src/platform', ['src/base']],
  ['src/http', ['src/base', 'src/api']],
  ['src/cli', ['src/base', 'src/api', 'src/platform']],

  ['manager/raft-ts', []],
  ['manager/raft', ['src/base', 'src/api', 'manager/raft-ts']],
  ['manager/store', ['src/base', 'src/api']],
  ['manager/orchestrator', ['src/base', 'src/api', 'manager/store']],
  ['manager/scheduler', ['src/base', 'src/api', 'manager/store']],
  ['manager/allocator', ['src/base', 'src/api', 'manager/store']],
  ['manager/dispatcher', ['src/base', 'src/api', 'manager/store']],
  ['manager/control', ['src/base', 'src/api', 'src/ca', 'manager/store']],
  ['manager/logs', ['src/base', 'src/api', 'manager/store']],
  ['manager', ['src/base', 'src/api', 'src/ca', 'manager']],

  ['agent/kernel/linux', ['src/base', 'agent/kernel']],
  ['agent/kernel', ['src/base']],
  ['agent/engine', ['src/base', 'src/api/engine', 'agent/kernel']],
  ['agent/exec', ['src/base', 'src/api', 'agent/engine']],
  ['agent', ['src/base', 'src/api', 'agent/exec']],

  ['src/daemon', ['src', 'manager', 'agent']],
  ['test', ['src', 'manager', 'agent', 'test']],
]
/** Folders that hold implementations of the outside world. Only these callers may name them. */
export const IMPLEMENTATIONS: readonly (readonly [folder: string, callers: readonly string[]])[] = [
  ['src/platform', ['src/daemon', 'src/cli', 'test']],
  ['agent/kernel/linux', ['src/daemon', 'test']],
]
/** Every dependency has one home, so replacing it touches one folder. Unlisted packages are refused; so manager/ runs whole in the simulator. */
export const HOMES: readonly (readonly [specifier: RegExp, folders: readonly string[]])[] = [
  [/^level$/, ['src/platform/storage']],
  [/^@grpc\/grpc-js$/, ['src/platform/rpc']],
  [/^protobufjs/, ['src/api']],
  [/^pino$/, ['src/platform']],
  [/^prom-client$/, ['src/daemon/metrics']],
  [/^raft-ts\//, ['manager']],
  [/^ws$/, ['src/http/server']],
  [/^find-my-way$/, ['src/http/server']],
  [/^commander$/, ['src/cli', 'src/daemon']],
  [/^yaml$/, ['src/cli', 'agent/engine/runtime']],
  [/^cli-table3$/, ['src/cli/output']],
  [/^@peculiar\/(asn1-schema|asn1-x509|asn1-csr|utils\/pem)$/, ['src/ca']],
  [/^dns-packet$/, ['agent/engine/network']],
  [/^tar-stream$/, ['agent/engine', 'src/cli']],
  [/^undici$/, ['agent/engine/registry']],
  [/^@balena\/dockerignore$/, ['agent/engine/build', 'src/cli']],
  [/^koffi$/, ['agent/kernel/linux']],
  [/^node:(assert|assert\/strict|util)$/, ['']],
  [/^node:crypto$/, ['src/ca', 'src/platform', 'agent/engine']],
  [/^node:worker_threads$/, ['src/platform/storage', 'agent/engine']],
  [/^node:(fs|fs\/promises|path|os|stream|stream\/promises|zlib|url)$/, ['src/platform', 'src/http', 'src/daemon', 'src/cli', 'agent/engine', 'agent/kernel']],
  [/^node:(net|tls|http|https|http2|dgram|dns)$/, ['src/platform', 'src/http/server', 'src/cli', 'src/daemon', 'agent/engine/build', 'agent/engine/registry', 'agent/engine/network', 'agent/engine/volume', 'agent/engine/log', 'agent/kernel/linux']],
  [/^node:(child_process|process)$/, ['agent/kernel/linux', 'src/daemon', 'src/cli']],
  [/^node:(timers\/promises|perf_hooks|async_hooks|events)$/, ['src/platform']],
]
