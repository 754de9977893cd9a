#!/usr/bin/env bash
# Run a long command, and beside it short ones, one after another, with what it leaves of the processors. What those say comes when all
# have ended.
set -euo pipefail

(($# > 1)) || { echo "usage: beside.sh LONG SHORT..." >&2; exit 2; }
said=$(mktemp)
# Nobody changes the sources while their tests run.
BED_PAYLOADS=$(mktemp -d)
export BED_PAYLOADS ANSIBLE_CALLBACK_PLUGINS=$PWD/molecule/shared/callback_plugins ANSIBLE_CALLBACKS_ENABLED=faster
short() {
  local command status=0
  for command; do
    nice -n 15 bash -c "$command" || { status=$?; echo "$command ended with $status"; }
  done
  return "$status"
}
short "${@:2}" >"$said" 2>&1 </dev/null &
beside=$!
trap 'kill "$beside" 2>/dev/null || true; rm -rf "$said" "$BED_PAYLOADS"' EXIT

status=0
bash -c "$1" || status=$?
wait "$beside" || status=$?
cat "$said"
exit "$status"
