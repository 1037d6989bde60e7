#!/usr/bin/env bash
# npm run bench:raft: consensus beside etcd on this machine. Options after "--" go to test/bench/raft/main.ts.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash deploy/setup/install.sh bench
exec node --no-warnings dist/test/bench/raft/main.js "$@"
