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
  if "$@" >"$logs/out" 2>&1; then
    echo "ok   $name"; passed=$((passed + 1))
  else
    echo "FAIL $name"; tail -40 "$logs/out"; failed=$((failed + 1))
    { echo "FAIL - $name"; tail -7 "$logs/out" | cut -c1-180 | sed 's/^/    /'; } >>"$logs/red"
  fi
}
# What failed of a TAP (of one file of it), in few lines each; in fewer where much did.
red() { awk -v only="${2:-}" -v lines="$([ "$(grep -c '^ *not ok ' "$1")" -gt 5 ] && echo 3 || echo 7)" -f deploy/bin/red-tests.awk "$1"; }
# Against what hangs: the long tests take ten minutes on two quiet cores.
SUITE_SECONDS_MAX=2400
# suite NAME CONCURRENCY FILE…: test files under node's runner.
suite() {
  local name=$1 concurrency=$2 began=$SECONDS ok bad; shift 2
  [ $# -gt 0 ] || { echo "FAIL $name: no test files"; echo "FAIL - $name: no test files" >>"$logs/red"; failed=$((failed + 1)); return; }
  timeout $SUITE_SECONDS_MAX node --test --test-concurrency="$concurrency" --test-reporter=tap "$@" >"$logs/out" 2>&1
  local status=$?
  ok=$(awk '/^# pass / { print $3 }' "$logs/out"); bad=$(awk '/^# (fail|cancelled) / { n += $3 } END { print n + 0 }' "$logs/out")
  ok=${ok:-0}
  if [ $status -ne 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  echo "$([ "$bad" = 0 ] && echo 'ok  ' || echo FAIL) $name: $ok passed, $bad failed in $((SECONDS - began)) s"
  [ "$bad" = 0 ] || grep -vE '^ *(ok |---|duration_ms|type:|\.\.\.)' "$logs/out" | grep -vE '^# Subtest' | head -150
  if [ "$bad" != 0 ] && ! { [ "$name" = 'end to end' ] && again; }; then
    { echo "FAIL $name"; red "$logs/out" | grep . || { echo "- it ended with status $status"; tail -7 "$logs/out" | cut -c1-180 | sed 's/^/    /'; }; } >>"$logs/red"
  fi
  passed=$((passed + ok)) failed=$((failed + bad))
}
AGAIN_FILES_MAX=4
# Real hosts on a noisy machine: what failed end to end is run once more, file by file and alone. What passes then is called flaky, with its first failure's text, and counts
# as passed; only what fails twice counts as failed. Sets ok and bad.
again() {
  local file files text tries=0 twice=0 sum=$((ok + bad))
  mapfile -t files < <(awk '/^not ok / { seen = 1 } seen && /^  location: / { sub(/^  location: ./, ""); sub(/:[0-9]+:[0-9]+.$/, ""); print; seen = 0 }' "$logs/out" | sort -u)
  [ ${#files[@]} -gt 0 ] || return 1
  for file in "${files[@]}"; do
    text=$(red "$logs/out" "$file")
    if [ $((tries += 1)) -gt $AGAIN_FILES_MAX ]; then
      text="FAIL ${file##*/}, not run once more: $AGAIN_FILES_MAX other files were"$'\n'$text
    elif timeout 300 node --test --test-reporter=tap "$file" >"$logs/again" 2>&1; then
      text="FLAKY ${file##*/}: passed when it was run once more; at first:"$'\n'$text
    else
      text="FAIL ${file##*/}, once more:"$'\n'$(red "$logs/again" | grep . || { echo "$text"; echo "- it did not end within 300 s when it was run once more"; })
    fi
    echo "$text"
    case $text in FLAKY*) echo "$text" >>"$logs/flaky" ;; *) echo "$text" >>"$logs/red"; twice=$((twice + $(grep -c '^- ' <<<"$text"))) ;; esac
  done
  bad=$twice ok=$((sum - twice))
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
extended='differential|chaos|manager-chaos|managers|manager-disk-full|member-addresses'
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
# Once more and short, where the end of a long output is all that one sees; what failed twice before what did once.
cat "$logs"/red "$logs"/flaky >"$logs/told" 2>/dev/null
[ ! -s "$logs/told" ] || { echo 'what failed:'; head -50 "$logs/told"; }
[ "$failed" = 0 ] || echo "failed: $(grep -E '^(FAIL )?- ' "$logs/red" | sed -E 's/^(FAIL )?- //' | cut -c1-60 | head -8 | paste -sd ';')"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
