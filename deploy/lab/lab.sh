#!/usr/bin/env bash
# A whole cluster on one machine: each host is a network namespace with an address of its own, and a mount and UTS namespace that
# stay as long as the host does, so that a daemon can be killed and started again on it.
#
#   lab.sh up N              make hosts h1..hN at 10.99.0.1..N, joined by a bridge in the namespace $LAB-lan (10.99.0.254)
#   lab.sh start I [FLAG…]   start the daemon of host I and wait until it answers
#   lab.sh stop I            stop it (its containers go on)
#   lab.sh kill I            kill -9 its daemon and its manager (its containers go on)
#   lab.sh reboot I          as a power failure and a boot: every process of host I and all it has in the kernel and in exec go, its data stays; no daemon yet
#   lab.sh exec I CMD…       run a command on host I
#   lab.sh client CMD…       run a command beside the hosts (on the bridge)
#   lab.sh cut I | mend I    pull host I's cable, plug it in again
#   lab.sh down              stop everything and remove every trace
#
# LAB (default shoal) keeps several labs apart; state is in $LAB_DIR (default /var/lib/$LAB-lab), sockets at $LAB_DIR/hI/shoal.sock.
set -euo pipefail
LAB=${LAB:-shoal}
LAB_DIR=${LAB_DIR:-/var/lib/$LAB-lab}
here=$(cd "$(dirname "$0")" && pwd)
shoal="$here/../bin/shoal"
lan="$LAB-lan"

host_dir() { echo "$LAB_DIR/h$1"; }
host_pid() { cat "$(host_dir "$1")/host.pid"; }
enter() { local i=$1; shift; exec nsenter -t "$(host_pid "$i")" --mount --uts --net -- "$@"; }
# A process that nobody has waited for yet is dead too.
alive() { [ -n "${1:-}" ] && grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

# Runs as the first process of a host: its own /sys (so that network devices are its own) with the machine's cgroups, without the
# empty cgroup v2 tree that makes crun refuse a hybrid layout, and a resolver that refuses at once.
make_host() {
  hostname "$1"
  keep=$(mktemp -d)
  mount --rbind /sys/fs/cgroup "$keep"; mount -t sysfs sysfs /sys; mount --move "$keep" /sys/fs/cgroup; rmdir "$keep"
  if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
  echo 'nameserver 127.0.0.1' >"$2/resolv.conf"; mount --bind "$2/resolv.conf" /etc/resolv.conf
  echo $$ >"$2/host.pid"
  touch "$2/ready"
  exec sleep infinity
}

up() {
  local n=$1 i
  mkdir -p "$LAB_DIR"
  ip netns add "$lan"
  ip -n "$lan" link set lo up
  ip -n "$lan" link add br0 type bridge
  ip -n "$lan" addr add 10.99.0.254/24 dev br0
  ip -n "$lan" link set br0 up
  for i in $(seq 1 "$n"); do boot_host "$i"; done
  for i in $(seq 1 "$n"); do await_host "$i"; done
}

boot_host() {
  local i=$1 ns dir; ns="$LAB-h$i"; dir=$(host_dir "$i")
  mkdir -p "$dir"
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  ip -n "$ns" link add eth0 type veth peer name "p$i" netns "$lan"
  ip -n "$lan" link set "p$i" master br0 up
  ip -n "$ns" addr add "10.99.0.$i/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$ns" route add default via 10.99.0.254
  setsid nsenter --net="/run/netns/$ns" unshare --mount --uts --propagation private "$0" make-host "h$i" "$dir" </dev/null >"$dir/host.log" 2>&1 &
}

await_host() {
  local dir; dir=$(host_dir "$1")
  for _ in $(seq 100); do [ -e "$dir/ready" ] && return; sleep 0.05; done
  cat "$dir/host.log" >&2; echo "host h$1 did not come up" >&2; exit 1
}

reboot() {
  local i=$1 dir; dir=$(host_dir "$i")
  end_processes "$dir" "$LAB-lab/h$i"
  ip netns del "$LAB-h$i"
  # Its end of the cable goes with the last process that was in the namespace, which may take a moment.
  for _ in $(seq 100); do ip -n "$lan" link show "p$i" >/dev/null 2>&1 || break; sleep 0.05; done
  remove_cgroups "$LAB-lab/h$i"
  rm -rf "$dir/exec" "$dir/ready" "$dir/host.pid" "$dir/shoal.pid" "$dir/shoal.sock"
  boot_host "$i"
  await_host "$i"
}

start() {
  local i=$1 dir; dir=$(host_dir "$i"); shift
  setsid nsenter -t "$(host_pid "$i")" --mount --uts --net -- "$shoal" daemon \
    --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/shoal.pid" -H "unix://$dir/shoal.sock" \
    --cgroup-parent "/$LAB-lab/h$i" "$@" </dev/null >>"$dir/shoal.log" 2>&1 &
  local daemon=$!
  for _ in $(seq 1200); do
    alive "$daemon" || break # before asking: another daemon could answer for it
    curl -sf --unix-socket "$dir/shoal.sock" http://localhost/_ping >/dev/null && return 0
    sleep 0.1
  done
  tail -5 "$dir/shoal.log" >&2; echo "the daemon of h$i did not start; its log: $dir/shoal.log" >&2; return 1
}

stop() {
  local pid; pid=$(cat "$(host_dir "$1")/shoal.pid" 2>/dev/null || true)
  alive "$pid" || return 0
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do alive "$pid" || return 0; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
}

kill_host() {
  local dir file pid; dir=$(host_dir "$1")
  for file in "$dir/shoal.pid" "$dir/exec/manager.pid"; do
    # One by one: the files end without a newline.
    pid=$(cat "$file" 2>/dev/null || true)
    alive "$pid" || continue
    kill -9 "$pid" 2>/dev/null || true
    for _ in $(seq 50); do alive "$pid" || break; sleep 0.02; done
  done
}

# Every process of hosts: those in a host's mount namespace (daemons, managers, monitors) and those in the cgroups below (containers).
pids_of() {
  local cgroup=$1 dir ns link pid; shift
  for dir in "$@"; do
    [ -e "$dir/host.pid" ] || continue
    ns=$(readlink "/proc/$(cat "$dir/host.pid")/ns/mnt" 2>/dev/null || true)
    [ -n "$ns" ] || continue
    for link in /proc/[0-9]*/ns/mnt; do
      if [ "$(readlink "$link" 2>/dev/null || true)" = "$ns" ]; then pid=${link#/proc/}; echo "${pid%%/*}"; fi
    done
  done
  find /sys/fs/cgroup -path "*/$cgroup/*" -name cgroup.procs -exec cat {} + 2>/dev/null || true
}

# end_processes "FOLDER…" CGROUP
end_processes() {
  local pids
  for _ in $(seq 50); do
    pids=$(pids_of "$2" $1 | sort -u)
    [ -n "$pids" ] || break
    kill -9 $pids 2>/dev/null || true
    # What is frozen does not die before it is thawed.
    find /sys/fs/cgroup -path "*/$2/*" \( -name freezer.state -exec sh -c 'echo THAWED >"$1"' _ {} \; -o -name cgroup.freeze -exec sh -c 'echo 0 >"$1"' _ {} \; \) 2>/dev/null || true
    sleep 0.1
  done
}

remove_cgroups() {
  for _ in 1 2 3 4 5; do
    find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null || true
    [ -z "$(find /sys/fs/cgroup -type d -path "*/$1*" 2>/dev/null)" ] && break
    sleep 0.2
  done
}

down() {
  local dir ns
  for dir in "$LAB_DIR"/h*; do if [ -d "$dir" ]; then stop "${dir##*/h}" & fi; done
  wait
  end_processes "$(echo "$LAB_DIR"/h*)" "$LAB-lab"
  for ns in $(ip netns list | awk '{print $1}' | grep "^$LAB-\(lan\|h[0-9]*\)$" || true); do ip netns del "$ns"; done
  remove_cgroups "$LAB-lab"
  rm -rf "$LAB_DIR"
}

command=${1:?up|start|stop|kill|reboot|exec|client|cut|mend|down}; shift
case $command in
  up) up "${1:?number of hosts}" ;;
  make-host) make_host "$@" ;;
  start) start "$@" ;;
  reboot) reboot "${1:?host}" ;;
  stop) stop "${1:?host}" ;;
  kill) kill_host "${1:?host}" ;;
  exec) enter "$@" ;;
  client) exec ip netns exec "$lan" "$@" ;;
  cut) ip -n "$lan" link set "p${1:?host}" down ;;
  mend) ip -n "$lan" link set "p${1:?host}" up ;;
  down) down ;;
  *) echo "unknown command $command: see the head of $0" >&2; exit 2 ;;
esac
