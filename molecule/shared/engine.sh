#!/usr/bin/env bash
# A Docker Engine that answers: installed where it is missing, started where it sleeps. Run as root.
set -euo pipefail

answers() { docker info >/dev/null 2>&1; }

# Each system in a container takes about ten of root's inotify instances, of which the kernel allows 128 by itself. Without one,
# fail2ban reads no journal.
instances=/proc/sys/fs/inotify/max_user_instances
if [[ $(<"$instances") -lt 512 ]] && ! echo 512 2>/dev/null >"$instances"; then
  echo "Only $(<"$instances") inotify instances (fs.inotify.max_user_instances), and no right to raise that to 512." >&2
fi

# As on every Debian host: who opens the file of somebody else in /tmp is refused, root too. Containers have the kernel's own values.
for guard in regular=2 fifos=1 symlinks=1 hardlinks=1; do
  file=/proc/sys/fs/protected_${guard%=*}
  if [[ $(<"$file") -lt ${guard#*=} ]] && ! echo "${guard#*=}" 2>/dev/null >"$file"; then
    echo "fs.protected_${guard%=*} is $(<"$file"), and no right to raise that to ${guard#*=}." >&2
  fi
done

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
