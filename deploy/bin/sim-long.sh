#!/usr/bin/env bash
# npm run sim:long: the long run of the simulator (test/sim/README.md): a billion steps of the Raft core and 2,000 clusters, in two threads. About 40 minutes on two quiet cores.
set -uo pipefail
cd "$(dirname "$0")/../.."
status=0
node dist/test/sim/main.js --rung core --steps "${SIM_STEPS:-1e9}" --from "${SIM_FROM:-10000000}" --workers "${SIM_WORKERS:-2}" --events || status=1
if [ "${SIM_CLUSTERS:-2000}" != 0 ]; then
  node dist/test/sim/main.js --rung cluster --seeds "${SIM_CLUSTERS:-2000}" --faulty 60 --from "${SIM_FROM:-10000000}" --workers "${SIM_WORKERS:-2}" --events || status=1
fi
exit $status
