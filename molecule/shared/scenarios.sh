#!/usr/bin/env bash
# Run scenarios: the long one, and beside it short ones, one after another. What those say comes when all have ended.
set -euo pipefail

(($#)) || { echo "usage: scenarios.sh SCENARIO..." >&2; exit 2; }
said=$(mktemp)
beside() {
  local scenario status=0
  for scenario; do
    molecule test --scenario-name "$scenario" || status=$?
  done
  return "$status"
}
beside "$@" >"$said" 2>&1 </dev/null &
short=$!
trap 'kill "$short" 2>/dev/null; rm -f "$said"' EXIT

status=0
molecule test || status=$?
wait "$short" || status=$?
cat "$said"
exit "$status"
