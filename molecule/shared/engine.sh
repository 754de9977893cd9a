#!/usr/bin/env bash
# A Docker Engine that answers: installed where it is missing, started where it sleeps. Run as root.
set -euo pipefail

answers() { docker info >/dev/null 2>&1; }

at_least() { # NAME NUMBER
  local file=/proc/sys/${1//.//}
  if [[ $(<"$file") -lt $2 ]] && ! echo "$2" 2>/dev/null >"$file"; then
    echo "$1 is $(<"$file"), and no right to raise that to $2." >&2
  fi
}

# Each system in a container takes about ten of root's inotify instances, of which the kernel allows 128 by itself. Without one,
# fail2ban reads no journal.
at_least fs.inotify.max_user_instances 512
# As on every Debian host: who opens the file of somebody else in /tmp is refused, root too. Containers have the kernel's own values.
at_least fs.protected_regular 2
at_least fs.protected_fifos 1
at_least fs.protected_symlinks 1
at_least fs.protected_hardlinks 1

answers && exit 0
if [[ $EUID -ne 0 ]]; then
  echo "No Docker Engine answers, and only root can install or start one. Run this as root." >&2
  exit 1
fi
if ! command -v dockerd >/dev/null; then
  echo "Installing Docker Engine" >&2
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends docker.io iptables >/dev/null
fi
log=$(mktemp -t dockerd.XXXXXX.log)
echo "Starting Docker Engine" >&2
if [[ -d /run/systemd/system ]]; then
  systemctl start docker
else
  # Without systemd nobody cleans up after an engine that was killed: its pid file would stop the next one.
  for pid_file in /run/docker.pid /var/run/docker.pid /run/docker/containerd/containerd.pid; do
    if [[ -f $pid_file ]] && ! kill -0 "$(<"$pid_file")" 2>/dev/null; then
      rm -f "$pid_file"
    fi
  done
  setsid nohup dockerd >"$log" 2>&1 </dev/null &
fi
for _ in $(seq 60); do
  answers && exit 0
  sleep 1
done
echo "Docker Engine does not answer after 60 seconds. Its last words:" >&2
tail -n 20 "$log" >&2
exit 1
