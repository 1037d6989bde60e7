#!/usr/bin/env bash
# npm start: a whole cluster on this machine (three managers, two workers) with an example stack on it.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo 'npm start makes network namespaces and containers: run it as root (sudo npm start).' >&2; exit 1; }
bash deploy/setup/install.sh run
export LAB=${LAB:-shoal}
export LAB_DIR=${LAB_DIR:-/var/lib/$LAB-lab}
lab=deploy/lab/lab.sh
hosts=5
on() { local i=$1; shift; deploy/bin/shoal -H "unix://$LAB_DIR/h$i/shoal.sock" "$@"; }
fetch() { "$lab" client curl -sS --max-time 5 "http://10.99.0.$1:8080/"; }

next_steps() {
  cat <<TEXT

Try next
  deploy/bin/shoal -H unix://$LAB_DIR/h1/shoal.sock service ls        Shoal's own command line
  export DOCKER_HOST=unix://$LAB_DIR/h1/shoal.sock                   the stock docker CLI, with every command:
  docker node ls; docker service scale demo_web=8; docker service logs demo_worker
  $lab client curl http://10.99.0.3:8080/                the page, through any host
  $lab kill 1                                            kill -9 the first host's daemon and manager; '$lab start 1' brings it back
  npm run stop                                                       leave nothing behind
TEXT
}

if [ -e "$LAB_DIR/h1/shoal.pid" ] && [ -d "/proc/$(cat "$LAB_DIR/h1/shoal.pid")" ]; then
  echo "The cluster is running already (state in $LAB_DIR)."
  on 1 node ls
  on 1 stack services demo
  next_steps
  exit 0
fi
# Whatever an interrupted run left.
"$lab" down
began=$(date +%s%N)
since() { echo "$(( ($(date +%s%N) - began) / 100000000 ))" | sed 's/.$/.&/'; }

echo "starting $hosts hosts"
"$lab" up $hosts
starting=()
for i in $(seq $hosts); do "$lab" start "$i" & starting+=($!); done
for job in "${starting[@]}"; do wait "$job"; done

echo 'making the example images from busybox and putting them on every host'
tar=$(mktemp)
bash deploy/examples/image.sh "$tar"
importing=()
for i in $(seq $hosts); do
  { on "$i" import "$tar" example/web:1 >/dev/null && on "$i" import "$tar" example/worker:1 >/dev/null; } & importing+=($!)
done
for job in "${importing[@]}"; do wait "$job"; done
rm -f "$tar"

echo 'forming the cluster: three managers, two workers'
on 1 swarm init --advertise-addr 10.99.0.1 >/dev/null
manager=$(on 1 swarm join-token -q manager)
worker=$(on 1 swarm join-token -q worker)
for i in 2 3; do on "$i" swarm join --token "$manager" --advertise-addr "10.99.0.$i" 10.99.0.1:2377 >/dev/null; done
for i in 4 5; do on "$i" swarm join --token "$worker" --advertise-addr "10.99.0.$i" 10.99.0.1:2377 >/dev/null; done

echo 'deploying deploy/examples/stack.yaml as demo'
on 1 stack deploy --detach=false -c deploy/examples/stack.yaml demo

echo; on 1 node ls
echo; on 1 stack services demo
echo; on 1 stack ps demo
echo
for i in $(seq $hosts); do
  page=
  for _ in $(seq 40); do page=$(fetch "$i" 2>/dev/null) && [ -n "$page" ] && break; sleep 0.25; done
  [ -n "$page" ] || { echo "host h$i does not serve the page: $(fetch "$i" 2>&1)" >&2; exit 1; }
  echo "http://10.99.0.$i:8080/ through h$i: $page"
done

# The worker reaches the web service by its name; wait until its log shows an answer from another host.
found=
for _ in $(seq 80); do
  found=$(on 1 service logs demo_worker 2>/dev/null | awk '/ on / && / from / { w = $0; sub(/.* on /, "", w); split(w, a, " "); v = $0; sub(/.* from /, "", v); split(v, b, " "); if (a[1] != b[1]) { print; exit } }')
  [ -n "$found" ] && break
  sleep 0.25
done
[ -n "$found" ] || { echo 'the worker did not reach the web service on another host; its log:' >&2; on 1 service logs --tail 20 demo_worker >&2; exit 1; }
echo "the worker's log: $found"
echo
echo "ready in $(since) s"
next_steps
