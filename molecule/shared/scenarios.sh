#!/usr/bin/env bash
# Every scenario: the long one, and beside it the short ones, one after another. What those say comes when all have ended.
set -euo pipefail

said=$(mktemp)
beside() {
  local status=0
  for scenario in zdkimfilter backup testing upgrade adopt; do
    molecule test --scenario-name "$scenario" || status=$?
  done
  return "$status"
}
beside >"$said" 2>&1 </dev/null &
short=$!
trap 'kill "$short" 2>/dev/null; rm -f "$said"' EXIT

status=0
molecule test || status=$?
wait "$short" || status=$?
cat "$said"
exit "$status"
