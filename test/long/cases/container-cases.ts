import { quiet, type Scenario } from './case.ts'

const LOOP = "sh -c 'trap \"exit 7\" TERM; while :; do sleep 0.1; done'"

/** The life of containers: creating, starting, stopping, removing, and what is refused. */
export const CONTAINER_CASES: readonly Scenario[] = [
  { name: 'run prints what the command prints and exits as it does', steps: ['run --rm busybox echo hello', "run --rm busybox sh -c 'echo out; echo err >&2; exit 3'", "run --quiet --rm busybox sh -c 'kill -9 $$'"] },
  { name: 'a command that is not there exits with 127', steps: ['run --rm busybox nosuch', 'run --rm busybox /nosuch', 'create --name ~c busybox /nosuch', 'start ~c', { line: 'inspect ~c --format {{.State.Status}}/{{.State.ExitCode}}/{{.State.Error}}' }] },
  { name: 'a file that can not be executed exits with 126', steps: ['run --rm busybox /etc/passwd', 'run --rm busybox /etc'] },
  { name: 'a name is taken until its container is removed', steps: ['create --name ~c busybox', 'create --name ~c busybox', 'run --name ~c busybox true', 'rm ~c', 'create --name ~c busybox'] },
  { name: 'names follow the rules', steps: ['create --name bad! busybox', 'create --name -x busybox', 'create --name a busybox', 'create --name ~a/b busybox', 'rename nosuch ~x', 'create --name ~c busybox', 'create --name ~d busybox', 'rename ~c ~d', 'rename ~c bad!', "rename ~c ''", 'rename ~c ~c', 'rename ~c ~e', 'inspect ~e --format {{.Name}}'] },
  {
    name: 'commands on a container that is not there', refusals: true,
    steps: [
      'start ~no', 'stop ~no', 'restart ~no', 'kill ~no', 'pause ~no', 'unpause ~no', 'wait ~no', 'rm ~no', 'rm -f ~no', 'logs ~no', 'top ~no', 'port ~no', 'diff ~no', 'export ~no', 'commit ~no', 'cp ~no:/x .', 'attach ~no', 'exec ~no true', 'inspect ~no',
      'container inspect ~no', 'rename ~no ~x', 'update --memory 64m ~no', 'stats --no-stream ~no', 'container logs ~no', 'container ls -aq --filter name=~no',
    ],
  },
  { name: 'an image that is not there', steps: ['create --pull never ~nosuch', 'run --pull never --rm ~nosuch true', 'run --pull sometimes busybox true', 'create --pull sometimes busybox', 'run BAD:: true', "run '' true", 'create --pull missing --quiet --name ~c busybox'] },
  { name: 'rm of a running container wants force', steps: [quiet('run -d --name ~c busybox sleep 100'), 'rm ~c', 'container rm ~c', 'rm -f ~c', 'rm ~c'] },
  { name: 'several are removed in one go, and each failure is told', steps: [quiet('create --name ~a busybox'), quiet('create --name ~b busybox'), 'rm ~a ~no ~b', 'ps -aq --filter name=~'] },
  {
    name: 'signals',
    steps: [
      quiet("run -d --name ~c busybox sh -c 'trap \"echo usr1\" USR1; trap \"exit 7\" TERM; echo up; while :; do sleep 0.1; done'"), { line: 'logs ~c', until: /up/ }, 'kill -s BOGUS ~c', 'kill -s 0 ~c', 'kill -s 99 ~c', 'kill -s -1 ~c', 'kill -s USR1 ~c',
      { line: 'logs ~c', until: /usr1/ }, 'kill --signal SIGTERM ~c', 'wait ~c', 'kill ~c', 'inspect --format {{.State.ExitCode}} ~c',
    ],
  },
  {
    name: 'states and what they allow',
    steps: [
      quiet('create --name ~c busybox sleep 100'), 'pause ~c', 'unpause ~c', 'stop ~c', 'kill ~c', 'exec ~c true', 'top ~c', 'attach ~c', 'start ~c', 'start ~c', 'unpause ~c', 'pause ~c', 'pause ~c', 'exec ~c true', 'attach ~c',
      { line: 'ps --filter name=~c --format {{.Names}}/{{.State}}' }, 'rm ~c', 'unpause ~c', 'stop -t 0 ~c', 'stop ~c', 'inspect --format {{.State.Status}}/{{.State.ExitCode}} ~c', 'restart -t 0 ~c', 'inspect --format {{.State.Status}} ~c', 'kill ~c',
    ],
  },
  { name: 'stop asks politely, then kills', steps: [quiet(`run -d --name ~c busybox ${LOOP}`), quiet('run -d --name ~d --stop-signal KILL busybox sleep 100'), quiet("run -d --name ~e --stop-timeout 1 busybox sh -c 'trap : TERM; while :; do sleep 0.1; done'"), { line: 'exec ~c true' }, 'stop ~c', 'stop ~d', 'stop ~e', "inspect --format '{{.State.Status}} {{.State.ExitCode}}' ~c ~d ~e"] },
  { name: 'restart keeps the container', steps: [quiet(`run -d --name ~c busybox sh -c 'date +%s%N > /t; ${'trap "exit 0" TERM; while :; do sleep 0.1; done'}'`), 'restart --timeout 1 ~c', "inspect --format '{{.State.Status}} {{.RestartCount}}' ~c", 'exec ~c ls /t', 'restart -t bogus ~c', 'restart'] },
  { name: 'start with attach gives output and status', steps: [quiet("create --name ~c busybox sh -c 'echo hi; exit 4'"), 'start -a ~c', 'start --attach ~c', quiet('create -i --name ~d busybox cat'), { line: 'start --attach --interactive ~d', input: 'said\n' }, { line: 'start -ai --detach-keys ctrl-x ~d', input: 'again\n' }, 'start -a ~c ~d'] },
  { name: 'standard input reaches the command and its end too', steps: [{ line: 'run -i --rm busybox cat', input: 'one\ntwo\n' }, { line: 'run --interactive --rm busybox wc -c', input: 'x'.repeat(100_000) }, { line: 'run --rm busybox cat', input: 'ignored' }, { line: "run --rm -i busybox sh -c 'head -c 3; exit 5'", input: 'abcdef' }] },
  { name: 'attach chooses streams', steps: ["run --rm -a stdout busybox sh -c 'echo out; echo err >&2'", "run --rm --attach stderr busybox sh -c 'echo out; echo err >&2'", 'run --rm -a bogus busybox true', 'run --rm -d -a stdout busybox true', "create --attach stdin --attach stdout --name ~c busybox true", "inspect --format '{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.OpenStdin}} {{.Config.StdinOnce}}' ~c"] },
  { name: 'wait gives the status', steps: [quiet("run -d --name ~c busybox sh -c 'exit 9'"), quiet('run -d --name ~d busybox true'), 'wait ~c ~d', 'container wait ~c ~no'] },
  { name: 'rm --volumes takes the anonymous ones', steps: [quiet('run --name ~c -v /data -v ~v:/named busybox true'), 'container rm --volumes ~c', 'volume ls -q --filter name=~', quiet('run -d --name ~d busybox sleep 100'), 'rm --force --volumes ~d'] },
  { name: 'an id may be shortened', steps: [quiet('create --name ~c --cidfile ~dir/id busybox'), 'create --name ~d --cidfile ~dir/id busybox', 'run --cidfile ~dir/id busybox true', 'run --rm --cidfile ~dir/other busybox true', 'inspect 0000000000000000', "inspect ''"] },
  { name: 'rm at the exit', steps: ['run --rm --name ~c busybox true', 'inspect ~c', { line: 'create --rm --name ~r busybox', only: /^<hex>/ }, quiet('run -d --rm --name ~d busybox sleep 100'), 'stop -t 0 ~d', { line: 'ps -a --filter name=~d --format {{.Names}}' , until: /^$/ }, 'run --rm --restart always busybox true', 'create --rm --restart on-failure busybox true'] },
  { name: 'restart policies', steps: ['create --restart bogus busybox', 'create --restart always:3 busybox', 'create --restart on-failure:-1 busybox', 'create --restart on-failure:x busybox', quiet("run -d --restart on-failure:2 --name ~c busybox sh -c 'exit 5'"), { line: "inspect --format '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' ~c", until: /^2 exited/ }, quiet('create --name ~d --restart unless-stopped busybox'), "inspect --format '{{json .HostConfig.RestartPolicy}}' ~c ~d"] },
  {
    name: 'wrong values of flags are refused', refusals: true,
    steps: [
      'create -m 1m busybox', 'create -m x busybox', 'create --memory-swap 1m --memory 64m busybox', 'create --memory-swap 64m busybox', 'create --memory-reservation 128m --memory 64m busybox', 'create --cpus 100000 busybox', 'create --cpus x busybox', 'create --cpu-shares -1 busybox', 'create --cpu-period 10 busybox', 'create --cpu-quota 10 busybox',
      'create --cpus 1 --cpu-quota 5000 busybox', 'create --cpuset-cpus 999 busybox', 'create --cpuset-cpus x busybox', 'create --cpuset-mems 999 busybox', 'create --blkio-weight 5 busybox', 'create --oom-score-adj 2000 busybox', 'create --memory-swappiness 101 busybox', 'create --pids-limit -5 --name ~p busybox', 'create --shm-size -1 busybox',
      'create --ulimit bogus=1 busybox', 'create --ulimit nofile=5:1 busybox', 'create --ulimit nofile busybox', 'create --hostname a_b! --name ~h busybox', 'create --stop-signal BOGUS busybox', 'create --ipc bogus busybox', 'create --pid bogus busybox', 'create --uts bogus busybox', 'create --userns bogus busybox', 'create --cgroupns bogus busybox',
      'create --security-opt bogus busybox', 'create --security-opt bogus=1 busybox', 'create --cap-add bogus busybox', 'create --cap-drop bogus busybox', 'create --runtime bogus busybox', 'create --isolation bogus busybox', 'create --log-driver bogus busybox', 'create --log-opt bogus=1 busybox', 'create --storage-opt size=1G busybox', 'create --sysctl bogus busybox',
      'create --device bogus busybox', 'create --device /nosuch --name ~dev busybox', 'create --device /dev/null:/x:q busybox', 'create --device-cgroup-rule bogus busybox', 'create --env =x busybox', 'create -w rel busybox', 'create --mac-address bogus busybox', 'create --dns bogus busybox', 'create --add-host bogus busybox', 'create --add-host a:bogus busybox', 'create --link bogus busybox',
      'create --group-add nosuch --name ~g busybox', 'create --health-interval 1us --health-cmd x busybox', 'create --health-retries -1 --health-cmd x busybox', 'create --no-healthcheck --health-cmd x busybox', 'create --entrypoint busybox', 'create --platform bogus/bogus/bogus/bogus busybox', 'create --tmpfs rel busybox', 'create --tmpfs /x:bogus --name ~t busybox',
      'create --expose bogus busybox', 'create --expose 70000 busybox', 'create --label-file /nosuch busybox', 'create --env-file /nosuch busybox', 'create --volumes-from nosuch busybox', 'create --network-alias x busybox', 'create --ip 1.2.3.4 busybox', 'create --detach-keys bogus busybox', 'create --bogus busybox', 'create',
      'create --blkio-weight-device /nosuch:100 busybox', 'create --device-read-bps /nosuch:1mb busybox', 'create --device-write-bps bogus busybox', 'create --device-read-iops /dev/null:-1 busybox', 'create --device-write-iops /dev/null:x busybox', 'create --cpu-rt-period 1000 --cpu-rt-runtime 2000 busybox',
    ],
  },
  { name: 'what create starts is checked at the start', steps: ['start ~no', quiet('create --name ~c -u nosuch busybox true'), 'start ~c', 'create --name ~d -w /etc/passwd busybox true', quiet('create --name ~e --group-add nosuch busybox true'), 'start ~e', quiet('create --name ~f --network container:~no busybox true'), 'start ~f', 'create --name ~g --pid container:~no busybox true'] },
]
