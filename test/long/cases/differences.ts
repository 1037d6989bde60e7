import type { Difference } from './case.ts'

const NEWER = 'words as in dockerd 28, which clients of today know; the compared one is 20.10'

/** Where Shoal answers the swarm cases otherwise on purpose. */
export const SWARM_DIFFERENCES: readonly Difference[] = [
  { line: 'service ls --filter bogus=1', reason: NEWER },
  { line: 'ps --filter bogus=1', reason: NEWER },
  { line: 'service ps --no-trunc --format {{.DesiredState}} {{.Error}} nocommand', reason: NEWER },
  { line: 'run --rm busybox /nosuch', reason: NEWER },
  { line: 'run --rm busybox nosuch', reason: NEWER },
  { line: 'run --rm --network nosuch busybox true', reason: 'said as outside a swarm: a network that is nowhere was not attached to either' },
  { line: 'rm c1', reason: NEWER },
  { line: 'kill -s BOGUS c1', reason: NEWER },
  { line: 'kill c2', reason: NEWER },
  { line: 'exec c2 true', reason: NEWER },
  { line: 'service create -d --name tmpl --hostname {{.Bad}} busybox', reason: 'refused likewise, in words that name the template instead of the type of its context in Go' },
]

/** Where Shoal answers a step of a scenario otherwise on purpose. */
export const DIFFERENCES: readonly Difference[] = [
  { line: 'create --ipc bogus busybox', reason: 'refused at the create, as newer ones do' },
  { line: 'create --cpu-shares -1 busybox', reason: 'refused at the create, where dockerd fails at the start' },
  { line: 'create --tmpfs /x:bogus --name ~t busybox', reason: 'refused at the create, where dockerd fails at the start' },
  { line: 'create --stop-signal BOGUS busybox', reason: NEWER },
  { line: 'attach ~c', reason: 'whoever ends its input still gets the output; dockerd cuts it off', ours: /got first\nand second/ },
  { line: 'cp ~c:/etc/passwd/ ~dir/x', reason: 'refused likewise, without naming a path of the host' },
  { line: 'cp ~dir/in ~c:/tmp/file', reason: 'the same words; the client may complain besides that it could not go on sending', ours: /cannot copy directory/, sometimes: true },
  { line: 'POST /containers/~c/wait?condition=bogus', reason: NEWER, ours: /invalid condition/ },
  { line: 'exec --privileged ~c true', reason: 'works on machines that lack a capability, where runc fails' },
  { line: "run --rm --init busybox sh -c 'ps -o pid,comm | head -3'", reason: 'our init takes no process ids for itself' },
  { line: 'run --rm --privileged busybox grep -E NoNew|Seccomp: /proc/self/status', reason: 'works on machines that lack a capability, where runc fails' },
  ...['--device-read-bps /dev/null:1mb', '--device-write-bps /dev/null:1mb', '--device-read-iops /dev/null:9', '--device-write-iops /dev/null:9', '--cpu-rt-period 1000000 --cpu-rt-runtime 950000']
    .map(flags => ({ line: `run --rm ${flags} busybox true`, reason: "the kernel's refusal in crun's words, not runc's" })),
  { line: "run --rm busybox sh -c 'cat /proc/kcore /proc/timer_list | wc -c; ls /sys/firmware; touch /proc/sys/kernel/domainname; ls /dev'", reason: 'crun makes the customary link /dev/core also where the kernel has no /proc/kcore', ours: /core/ },
  { line: 'run --rm --pid container:~c busybox true', reason: NEWER, ours: /^$|failed to join PID namespace: container \S+ is not running/ },
  { line: 'run --rm --network container:~c busybox true', reason: NEWER, ours: /^\s*$|cannot join network namespace of a non running container: container ~c is (created|exited)/ },
  { line: 'DELETE /containers/~d', reason: NEWER, ours: /cannot remove container \\"~d\\": container is running/ },
  ...[['--tmpfs /t:bogus', /invalid tmpfs option/], ['--network ~no', /network ~no not found/], ['--network ~n --ip6 2001:db8::1', /user configured subnets/]]
    .map(([flags, ours]) => ({ line: `run --rm ${String(flags)} busybox true`, reason: 'refused at the create already, so that the old client points at its help', ours: ours as RegExp })),
  { line: 'run --rm -v ~v:/etc busybox ls /etc', reason: 'the link /etc/mtab, which dockerd makes in a layer of its own, is not of the image and so not of the volume', ours: /hosts\npasswd/ },
  { line: 'create --ip 1.2.3.4 busybox', reason: 'refused at the create already', ours: /user defined networks only/ },
  { line: 'run --rm --network none --ip 1.2.3.4 busybox true', reason: 'an address on no network is ignored', ours: /^\s*$/ },
  { line: 'import - ~j', reason: 'refused likewise; the words are those of the tar that reads it', ours: /archive cannot be read/ },
  { line: 'load', reason: 'refused likewise; the words are those of the tar that reads it', ours: /archive cannot be read/ },
  { line: 'update --memory-swap 1m ~c', reason: "the kernel's refusal without runc's words", ours: /memory\.memsw\.limit_in_bytes/ },
  { line: 'POST /containers/create', reason: 'what the client got wrong is answered 400 rather than 500, and an image without a name is an invalid reference', ours: /invalid JSON|invalid reference format/ },
  ...['GET /containers/json?filters=bogus', 'GET /containers/json?limit=bogus', 'POST /containers/~no/stop?t=bogus', 'GET /events?since=bogus', 'POST /volumes/prune?filters=bogus']
    .map(line => ({ line, reason: 'what the client got wrong is answered 400 rather than 500, with words that name the parameter', ours: /invalid (value|filters)/ })),
  { line: 'network rm ~n', reason: NEWER, ours: /network ~n has active endpoints \(name:"~c" id:"/ },
  { line: 'start ~c', reason: 'a container stays on the network of that name, also when it is another one by now; dockerd looks for the id', ours: /network ~n not found/ },
  { line: 'run --rm --dns-search . busybox cat /etc/resolv.conf', reason: 'as dockerd 28: servers on the host\'s loopback are of no use in a container, search domains given or not', ours: /nameserver 8\.8\.8\.8/ },
  { line: 'POST /networks/create', reason: NEWER, ours: /invalid name: name is empty/ },
  { line: 'POST /auth', reason: NEWER, ours: /401 Unauthorized/ },
  { line: 'search localhost:5999/box', reason: 'the index is asked at once, without a ping first', ours: /connection refused/ },
  { line: 'POST /networks/prune?filters=bogus', reason: 'what the client got wrong is answered 400 rather than 500', ours: /invalid filters/ },
]

/**
 * Words of dockerd 20.10 that newer ones changed, as [what it says, what dockerd 28 says for it]: clients of today and their scripts know the
 * newer words, so Shoal says those. They are put into the answer of 20.10 before it is compared, so all around them must be equal.
 * `$ref` is the last word of the command line.
 */
export const REWORDED: readonly (readonly [words: RegExp, newer: string])[] = [
  [/daemon: failed to create shim task: OCI runtime create failed:/, 'daemon: failed to create task for container: failed to create shim task: OCI runtime create failed:'],
  [/(^|\/)failed to create shim task: OCI runtime create failed:/m, '$1failed to create task for container: failed to create shim task: OCI runtime create failed:'],
  [/You cannot remove a running container \S+\. Stop the container before attempting removal or force remove/, 'cannot remove container "$ref": container is running: stop the container before removing or force remove'],
  [/: Invalid signal:/, ': cannot kill container: $ref: invalid signal:'],
  [/Cannot kill container/, 'cannot kill container'],
  [/The linux daemon does not support signal 18446744073709551615/, 'the linux daemon does not support signal -1'],
  [/The linux daemon does not/, 'the linux daemon does not'],
  [/Container (\S+ is not running)/, 'container $1'],
  [/You cannot remove a paused container \S+\. Unpause and then stop the container before attempting removal or force remove/, 'cannot remove container "$ref": container is paused and must be unpaused first'],
  [/Invalid filter '/, "invalid filter '"],
  [/invalid filter 'status=(\w*)'/, "invalid filter 'status=$1': invalid value for state ($1): must be one of created, running, paused, restarting, removing, exited, dead"],
  [/Unrecognised filter value for health: (\w+)/, "invalid filter 'health=$1': invalid value for health ($1): must be one of none, starting, healthy, unhealthy"],
  [/daemon: no such container /, 'daemon: No such container: '],
  [/Error processing tar file\(exit status 1\)/, 'error processing tar file'],
  [/^\{"message":"strconv\.Atoi: parsing \\"x\\": invalid syntax"/, '{"message":"invalid resize height \\"x\\": invalid syntax"'],
  [/"Error":null,/, ''],
  [/daemon: Limit (\d+) is outside/, 'daemon: limit $1 is outside'],
  [/: Empty string specified for ports\./, ': empty string specified for ports'],
  [/: Invalid range specified for the Port/, ': invalid range specified for port'],
  [/daemon: Pool overlaps with other one/, 'daemon: invalid pool request: Pool overlaps with other one'],
  [/invalid restart policy '(\w+)'/, "invalid restart policy: unknown policy '$1'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"],
  [/maximum retry count cannot be used with restart policy '\w+'/, "invalid restart policy: maximum retry count can only be used with 'on-failure'"],
  [/: maximum retry count cannot be negative/, ": invalid restart policy: maximum retry count cannot be negative"],
  [/can't join IPC of container \S+: container (\S+ is not running)/, 'failed to join IPC namespace: container $1'],
  [/"\/proc\/acpi","\/proc\/kcore"/, '"/proc/acpi","/proc/interrupts","/proc/kcore"'],
  [/"\/sys\/firmware"\]/, '"/sys/firmware","/sys/devices/virtual/powercap"]'],
  // The runtime that is used: crun, where dockerd has runc.
  [/"Runtime":"runc"/, '"Runtime":"crun"'],
  [/Unknown runtime specified (\S+)/, 'unknown or invalid runtime name: $1'],
  [/Invalid isolation: "(\w+)" - linux only supports 'default'/, "invalid isolation '$1' on linux"],
  [/Invalid IPC mode:/, 'invalid IPC mode:'],
  [/can't join IPC of container (\S+): non-shareable/, 'failed to join IPC namespace: container $1: non-shareable'],
  [/No command specified/, 'no command specified'],
  [/was found but does not match the specified platform: wanted (\S+), actual: (\S+)/, 'was found but its platform ($2) does not match the specified platform ($1)'],
  [/Specifying a kernel memory limit is deprecated and will be removed in a future release\./, 'Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.'],
  // Only what the daemon says: the client of that age has the same words.
  [/((?:daemon: |"message":").*)repository name must be lowercase/, '$1repository name (library/$ref) must be lowercase'],
  [/no such image: (\S+): No such image: /, 'No such image: '],
  [/error looking up logging plugin (\w+): plugin "\w+" not found/, "logger: no log driver named '$1' is registered"],
  [/cannot join network of a non running container: (\S+)/, 'cannot join network namespace of a non running container: container $1 is not running'],
  [/Config cannot be empty/, 'config cannot be empty'],
  [/Range of CPUs is/, 'range of CPUs is'],
  [/network with name {2}already exists/, 'invalid name: name is empty'],
  [/Invalid subnet (\S+) : invalid CIDR address: \S+/, 'invalid network config:\ninvalid subnet $1: invalid CIDR block notation'],
  [/Invalid IPv4 address: (\S+)\)/, 'invalid IPv4 address: $1'],
  [/fe00::0/, 'fe00::'], [/ff00::0/, 'ff00::'],
  [/^(search .*\n)((?:nameserver .*\n)+)/, '$2$1'],
  [/daemon: driver failed programming/, 'daemon: failed to set up container networking: driver failed programming'],
]

/** Fields of dockerd 20.10's answers that newer ones no longer have. */
export const RETIRED: readonly RegExp[] = [
  /KernelMemory/, /^\.ContainerConfig\./, /^\.Container: /, /NondistributableArtifacts/, /^\.Runtimes\./, /Commit\.Expected/, /^\.Error: null/,
  // Paths inside of the driver: of an image that nothing is mounted of yet.
  /^\.GraphDriver\.Data\.(MergedDir|WorkDir)/,
]
