#!/usr/bin/env bash
# Provision inventories/demo in a container and send mail through it; with the word "down", take it away again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export ANSIBLE_PIPELINING=true ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_GATHERING=smart ANSIBLE_DISPLAY_SKIPPED_HOSTS=false
play() { ansible-playbook --inventory inventories/demo "$@"; }

# The bed around the host is complete.
ready=.cache/demo/ready

if [[ ${1:-} == down ]]; then
  rm -f "$ready"
  play molecule/shared/destroy.yml
  exit
fi
trap '[[ $? -eq 0 ]] || echo "make demo failed: see above what did. To begin afresh: make demo-down; make demo" >&2' EXIT
wanted=courier-mail-bed:$RELEASE
running=$(docker inspect --format '{{if .State.Running}}{{.Config.Image}}{{end}}' courier-demo-mail.example.com 2>/dev/null || true)
if [[ $running != "$wanted" || ! -e $ready ]]; then
  rm -f "$ready"
  play molecule/shared/destroy.yml
  play molecule/shared/create.yml
  play molecule/shared/prepare.yml
  mkdir -p "${ready%/*}" && touch "$ready"
fi
play playbooks/site.yml
python molecule/shared/demo.py
play playbooks/verify.yml
