import { quiet, type Scenario } from './case.ts'

const UP = quiet('run -d --name ~c --hostname h -e A=1 -w /tmp busybox sleep 1000')

/** Commands in running containers. */
export const EXEC_CASES: readonly Scenario[] = [
  { name: 'exec prints what the command prints and exits as it does', steps: [UP, 'exec ~c echo hello', "exec ~c sh -c 'echo out; echo err >&2; exit 7'", "exec ~c sh -c 'kill -9 $$'", 'exec ~c true'] },
  { name: 'a command that is not there', steps: [UP, 'exec ~c nosuch', 'exec ~c /nosuch', 'exec ~c /etc/passwd', 'exec ~c /etc', 'exec ~c', 'exec'] },
  { name: 'environment, user and folder', files: { env: 'F=file\n' }, steps: [UP, "exec -e B=2 --env C --env-file ~dir/env ~c sh -c 'echo $A $B $C $F; pwd'", 'exec --workdir /etc ~c pwd', 'exec -w /nosuch ~c pwd', 'exec -w rel ~c pwd', 'exec -u 1000:7 ~c id', 'exec --user nosuch ~c id', 'exec -u 0:nosuch ~c id', 'exec --env-file /nosuch ~c true'] },
  { name: 'standard input', steps: [UP, { line: 'exec -i ~c cat', input: 'a\nb\n' }, { line: 'exec --interactive ~c wc -c', input: 'x'.repeat(200_000) }, { line: 'exec ~c cat', input: 'ignored' }, { line: "exec -i ~c sh -c 'head -c 2; exit 3'", input: 'abc' }] },
  { name: 'detached', steps: [UP, "exec -d ~c sh -c 'echo done > /tmp/f'", { line: 'exec ~c cat /tmp/f', until: /done/ }, 'exec --detach ~c /nosuch', 'exec -d --detach-keys ctrl-x ~c true'] },
  { name: 'on a terminal', steps: [UP, { line: 'exec -t ~c tty' }, { line: 'exec --tty ~c sh -c "echo $TERM"' }, { line: 'exec -it ~c tty', tty: true, only: /^\/dev\/pts\// }, 'exec -it ~c true', { line: 'exec -t ~c nosuch', tty: true }, { line: 'exec -it -w /nosuch ~c pwd', tty: true }, { line: 'exec -t ~c sh -c "echo said; exit 3"', tty: true }] },
  { name: 'privileges', steps: [UP, 'exec ~c grep Cap /proc/self/status', 'exec -u 1 ~c grep Cap /proc/self/status', 'exec --detach-keys bogus ~c true', 'exec --detach-keys ctrl-x ~c true', 'exec --bogus ~c true'] },
  { name: 'not in a container that does not run', steps: [quiet('create --name ~c busybox'), 'exec ~c true', 'exec ~no true', UP.line.replace('~c', '~d'), 'pause ~d', 'exec ~d true', 'unpause ~d', 'stop -t 0 ~d', 'exec ~d true'] },
  { name: 'an exec as the API shows it', steps: [UP, { api: 'POST /containers/~c/exec', body: { Cmd: ['true'] } }, { api: 'POST /containers/~c/exec', body: {} }, { api: 'POST /containers/~c/exec', body: { Cmd: [] } }, { api: 'POST /containers/~no/exec', body: { Cmd: ['true'] } }, { api: 'GET /exec/nosuch/json' }, { api: 'POST /exec/nosuch/start', body: {} }, { api: 'POST /exec/nosuch/resize?h=1&w=1' }] },
]
