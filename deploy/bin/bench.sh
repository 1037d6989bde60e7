#!/usr/bin/env bash
# npm run bench: this product beside a real dockerd. Options after "--" go to test/bench/main.ts; "placement" measures the deciders alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" = placement ]; then shift; bash deploy/setup/install.sh run; exec node dist/test/bench/placement-bench.js "$@"; fi
[ "$(id -u)" = 0 ] || { echo 'npm run bench makes network namespaces and containers: run it as root (sudo npm run bench).' >&2; exit 1; }
bash deploy/setup/install.sh peer
# A run that is interrupted leaves nothing either.
trap 'for lab in shoalbench shoalbench3 shoalmany; do LAB=$lab bash deploy/lab/lab.sh down; done' EXIT
node --no-warnings dist/test/bench/main.js "$@"
