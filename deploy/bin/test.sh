#!/usr/bin/env bash
# npm test: everything that says whether this checkout works. test.sh [all|unit|sim|e2e|long|extended]; the last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.."
what=${1:-all}
level=test; [[ $what = long || $what = extended ]] && level=peer
bash deploy/setup/install.sh $level || { echo '0 passed, 1 failed'; exit 1; }
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0

# check NAME COMMAND…: one thing that holds or does not.
check() {
  local name=$1; shift
  if "$@" >"$logs/out" 2>&1; then echo "ok   $name"; passed=$((passed + 1)); else echo "FAIL $name"; tail -40 "$logs/out"; echo "$name" >>"$logs/failed"; failed=$((failed + 1)); fi
}
# suite NAME CONCURRENCY FILE…: test files under node's runner.
suite() {
  local name=$1 concurrency=$2 began=$SECONDS ok bad; shift 2
  [ $# -gt 0 ] || { echo "FAIL $name: no test files"; failed=$((failed + 1)); return; }
  timeout 1500 node --test --test-concurrency="$concurrency" --test-reporter=tap "$@" >"$logs/out" 2>&1
  local status=$?
  ok=$(awk '/^# pass / { print $3 }' "$logs/out"); bad=$(awk '/^# (fail|cancelled) / { n += $3 } END { print n + 0 }' "$logs/out")
  ok=${ok:-0}
  if [ $status -ne 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  echo "$([ "$bad" = 0 ] && echo 'ok  ' || echo FAIL) $name: $ok passed, $bad failed in $((SECONDS - began)) s"
  [ "$bad" = 0 ] || grep -vE '^ *(ok |---|duration_ms|type:|\.\.\.)' "$logs/out" | grep -vE '^# Subtest' | head -150
  if [ "$bad" != 0 ] && [ "$name" = 'end to end' ]; then again; fi
  [ "$bad" = 0 ] || awk -v suite="$name" '/^not ok / { print substr($0, index($0, " - ") + 3, 60); n++ } END { if (!n) print suite }' "$logs/out" >>"$logs/failed"
  passed=$((passed + ok)) failed=$((failed + bad))
}
# Real hosts on a noisy machine: what failed end to end is run once more, file by file and alone. What passes then is called flaky, after its first failure's text; it counts as passed.
again() {
  local file files
  mapfile -t files < <(awk '/^not ok / { seen = 1 } seen && /^  location: / { sub(/^  location: ./, ""); sub(/:[0-9]+:[0-9]+.$/, ""); print; seen = 0 }' "$logs/out" | sort -u)
  [ ${#files[@]} -gt 0 ] || return 0
  for file in "${files[@]}"; do
    timeout 300 node --test --test-reporter=tap "$file" >"$logs/again" 2>&1 || { echo "FAIL ${file##*/}, once more"; grep -E -A12 '^not ok ' "$logs/again" | head -60; return 0; }
    echo "FLAKY ${file##*/}: passed when it was run once more"
  done
  ok=$((ok + bad)) bad=0
}
# What this machine has of ours: a run must leave it as it was.
traces() {
  ip netns list | awk '{print "namespace " $1}' | sort
  awk '/ overlay | nsfs / { print "mount " $2 }' /proc/mounts | sort
  find /sys/fs/cgroup -maxdepth 3 -type d -name '*shoal*' 2>/dev/null | sort
  # What has ended and was not waited for is its parent's, for orphans the first process's.
  pgrep -fa 'shoal-monitor|dist/src/daemon/' | grep -v '<defunct>$' | awk '{ $1 = ""; print "process" $0 }' | sort
}
before=$(traces)

mapfile -t unit < <(find dist manager/raft-ts/dist -name '*.test.js' -not -path 'dist/test/e2e/*' -not -path 'dist/test/long/*' -not -path 'dist/test/sim/*' | sort)
mapfile -t simulation < <(find dist/test/sim -name '*.test.js' 2>/dev/null | sort)
mapfile -t e2e < <(find dist/test/e2e -name '*.test.js' 2>/dev/null | sort)
# Run by themselves, not by continuous integration: long (differential), or not yet seen green five times as they are.
extended='differential|chaos|manager-chaos|managers|manager-disk-full|member-addresses|damaged-log'
mapfile -t long < <(find dist/test/long -name '*.test.js' 2>/dev/null | grep -vE "/($extended)[^/]*\.test\.js$" | sort)
mapfile -t extended < <(find dist/test/long -name '*.test.js' 2>/dev/null | grep -E "/($extended)[^/]*\.test\.js$" | sort)
case $what in
  all | unit)
    check 'generated code is what proto/ says' node proto/generate.mjs --check
    check 'house rules (layers, cycles, ambient effects)' node dist/test/tidy/main.js
    suite 'unit and conformance' 2 "${unit[@]}" ;;&
  all | sim) suite simulation 2 "${simulation[@]}" ;;&
  all | e2e) suite 'end to end' 1 "${e2e[@]}" ;;&
  long) export FUZZ_SEED=${FUZZ_SEED:-6}; suite 'long' 1 "${long[@]}" ;;&
  extended) suite 'extended' 1 "${extended[@]}" ;;&
esac
# What was just killed takes a moment to go.
for _ in $(seq 20); do after=$(traces); [ "$after" = "$before" ] && break; sleep 0.5; done
check 'the run left nothing behind' diff <(echo "$before") <(echo "$after")
# Once more and short, where the end of a long output is all that one sees.
[ ! -s "$logs/failed" ] || echo "failed: $(head -8 "$logs/failed" | paste -sd ';')"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
