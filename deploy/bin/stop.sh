#!/usr/bin/env bash
# npm run stop: takes the cluster of npm start down and removes every trace of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAB=${LAB:-shoal}
deploy/lab/lab.sh down
echo 'The cluster is gone: no process, namespace, mount, cgroup or file of it is left.'
