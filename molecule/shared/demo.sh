#!/usr/bin/env bash
# Provision inventories/demo in a container and send mail through it; with the word "down", take it away again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export ANSIBLE_PIPELINING=true ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_GATHERING=smart ANSIBLE_DISPLAY_SKIPPED_HOSTS=false
play() { ansible-playbook --inventory inventories/demo "$@"; }

if [[ ${1:-} == down ]]; then
  play molecule/shared/destroy.yml
  exit
fi
wanted=courier-mail-bed:$RELEASE
running=$(docker inspect --format '{{if .State.Running}}{{.Config.Image}}{{end}}' courier-demo-mail.example.com 2>/dev/null || true)
if [[ $running != "$wanted" ]]; then
  play molecule/shared/destroy.yml
  play molecule/shared/create.yml
  play molecule/shared/prepare.yml
fi
play playbooks/site.yml
python molecule/shared/demo.py
