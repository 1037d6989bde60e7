import type { Scenario, Step } from './case.ts'

const LOOP = "busybox sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'"

function quiet(line: string): Step { return { line, quiet: true } }

/** A container whose log options are wrong is made, and fails at its start. */
function refusedAtStart(options: string): readonly (string | Step)[] {
  return [quiet(`create --name ~c --network none ${options} busybox true`), 'start ~c', 'logs ~c', "inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' ~c", quiet('rm ~c')]
}

/** Whose attributes `docker logs --details` shows. */
function detailed(options: string): readonly (string | Step)[] {
  return [quiet(`run --network none --name ~c -l l=1 -l 'sp=a b' -e FOO=bar -e FAR=x ${options} busybox echo out`), 'logs --details ~c', quiet('rm ~c')]
}

/** Logs, standard streams and lists. */
export const STREAM_CASES: readonly Scenario[] = [
  {
    name: 'log options that a driver does not know', steps: ['json-file', 'local', 'syslog', 'journald'].map(driver => `create --log-driver ${driver} --log-opt bogus=1 busybox`).concat([
      'create --log-driver local --log-opt labels=l busybox', 'create --log-driver journald --log-opt max-size=1m busybox', 'create --log-opt mode=x busybox', 'create --log-opt mode=blocking --log-opt max-buffer-size=1m busybox',
      'create --log-opt mode=non-blocking --log-opt max-buffer-size=x busybox', 'create --log-driver syslog --log-opt syslog-address=x busybox', 'create --log-driver syslog --log-opt syslog-address=unix:///nosuch busybox',
      'create --log-driver syslog --log-opt syslog-address=udp://127.0.0.1:1 --log-opt syslog-facility=bogus busybox', 'create --log-driver syslog --log-opt syslog-address=udp://127.0.0.1:1 --log-opt syslog-format=bogus busybox',
    ]),
  },
  {
    name: 'log options that are looked at when the container starts', steps: [
      '--log-opt max-size=x', '--log-opt max-size=0', '--log-opt max-size=1m --log-opt max-file=0', '--log-opt max-file=x', '--log-opt compress=x', '--log-opt compress=true', '--log-opt tag={{.Bogus}}', '--log-opt tag={{',
      '--log-driver local --log-opt max-size=x', '--log-driver local --log-opt max-file=1',
    ].flatMap(refusedAtStart),
  },
  {
    name: 'details of logs', steps: [
      '', '--log-opt labels=l,sp,none --log-opt env=FOO,NO', '--log-opt labels-regex=^s --log-opt env-regex=^F', '--log-opt tag={{.Name}}', '--log-driver syslog --log-opt syslog-address=udp://127.0.0.1:1 --log-opt labels=l',
      '--log-opt max-size=10k --log-opt max-file=3 --log-opt mode=non-blocking --log-opt max-buffer-size=1m',
    ].flatMap(detailed),
  },
  {
    name: 'log drivers whose server is not there', steps: [
      '--log-driver journald', '--log-driver syslog', '--log-driver syslog --log-opt syslog-address=tcp://127.0.0.1:1', '--log-driver syslog --log-opt syslog-address=tcp+tls://127.0.0.1:1 --log-opt syslog-tls-ca-cert=/nosuch',
    ].flatMap(options => [quiet(`create --name ~c --network none ${options} busybox true`), 'start ~c', "inspect -f '{{.State.Status}} {{.State.Error}}' ~c", quiet('rm ~c')]),
  },
  { name: 'logs that are not kept', steps: [quiet('run --network none --name ~c --log-driver syslog --log-opt syslog-address=udp://127.0.0.1:1 --log-opt cache-disabled=true busybox true'), 'logs ~c'] },
  {
    name: 'rotation keeps the last lines', steps: [
      quiet("run --network none --name ~c --log-opt max-size=20k --log-opt max-file=2 busybox sh -c 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done'"), 'logs --tail 3 ~c', { line: 'logs ~c', only: /^line 299[0-9]$/ },
    ],
  },
  {
    name: 'a million bytes without a line feed', steps: [quiet("run --network none --name ~c busybox sh -c 'head -c 1000000 /dev/zero | tr \"\\\\000\" x; echo; echo end'"), { line: 'logs ~c', only: /^end$/ }, 'logs --tail 1 ~c'],
  },
  {
    name: 'lists by ports, which only running containers have', steps: [
      quiet(`run -d --name ~a -p 127.0.0.1::80 --expose 90-92/udp ${LOOP}`), quiet('create --name ~b --expose 90/udp busybox'),
      ...['expose=80', 'expose=80/tcp', 'expose=90/udp', 'expose=91-95/udp', 'expose=90', 'expose=70-80', 'publish=80', 'publish=1-65535', 'publish=1-65535/udp', 'publish=x', 'publish=', 'publish=1:2', 'publish=9-5', 'expose=x/tcp']
        .map(filter => `ps -a --filter name=~ --filter ${filter} --format {{.Names}}`),
    ],
  },
  {
    name: 'lists by what is no such thing', steps: ['status=bogus', 'health=bogus', 'exited=x', 'is-task=x', 'before=~no', 'since=~no'].map(filter => `ps -a --filter ${filter}`)
      .concat(['isolation=bogus', 'ancestor=~no', 'network=~no', 'volume=~no', 'label=~no', 'id=~no'].map(filter => `ps -aq --filter name=~ --filter ${filter}`)),
  },
  {
    name: 'signals by their many names', steps: [
      quiet(`run -d --network none --name ~c busybox sh -c 'for s in 35 63 10; do trap "echo got $s" $s; done; trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done'`), { line: 'logs ~c', until: /ready/ },
      'kill -s RTMIN+1 ~c', { line: 'logs ~c', until: /got 35/ }, 'kill -s SIGRTMAX-1 ~c', { line: 'logs ~c', until: /got 63/ }, 'kill -s usr1 ~c', { line: 'logs ~c', until: /got 10/ }, 'kill -s RTMIN+16 ~c', 'kill -s RTMAX-15 ~c', 'kill -s 0 ~c',
    ],
  },
  {
    name: 'execs that can not start', steps: [
      quiet(`run -d --network none --name ~c ${LOOP}`), 'exec ~c /tmp', 'exec ~c /etc/passwd', 'exec -w /nosuch ~c pwd', 'exec -w rel ~c pwd', 'exec -u nosuch ~c id', 'exec -u 0:nosuch ~c id', 'exec --detach-keys bogus! ~c true', 'exec -d ~c /nosuch',
      'exec -d -w /nosuch ~c true',
    ],
  },
  {
    name: 'compressed archives go in', files: { 'src/a': 'A\n' }, steps: [
      quiet(`run -d --network none --name ~c -v ~dir:/host ${LOOP}`), quiet("exec ~c sh -c 'cd /host && tar czf /host/x.tgz src && mkdir /to'"), { line: 'cp - ~c:/to', input: '' }, 'exec ~c find /to',
    ],
  },
  {
    name: 'what the API says of changes, resizes and waits', steps: [
      quiet(`run -d --network none --name ~c ${LOOP}`), { api: 'POST /containers/~c/resize?h=x&w=1' }, { api: 'POST /containers/~no/resize?h=1&w=1' }, { api: 'GET /containers/~c/archive' }, { api: 'POST /containers/~c/rename' },
      quiet('stop -t 1 ~c'), { api: 'POST /containers/~c/resize?h=1&w=1' }, { api: 'GET /containers/~c/top' }, { api: 'GET /containers/~c/stats?stream=0&one-shot=1' }, { api: 'POST /containers/~c/wait' }, { api: 'POST /containers/prune?filters={"label":["~no"]}' },
    ],
  },
]
