# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemons cannot do, as the kernel says, and what other users of the host cannot read."""

from __future__ import annotations

import pytest

# Of <linux/capability.h>.
NET_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_TIME = 12, 16, 17, 19, 21, 22, 25
UNITS = [
    "courier",
    "courierfilter",
    "courier-mta",
    "courier-msa",
    "courier-mta-ssl",
    "courier-authdaemon",
    "courier-imap-ssl",
    "clamav-daemon",
    "spamd",
    "fetchmail@idle",
    "nginx",
    "courier-autoconfig",
    "courier-mail-room",
]
# What a secret looks like: keys, hashes of passwords, and passwords: the provider's, people's, fetchmail's.
SECRETS = (
    r"BEGIN [A-Z ]*PRIVATE KEY|\$6\$courier\.mail|\$y\$j9T|a-secret-for-the-vault|09eae0fafdb8b11dde53f003"
    r"|correct horse battery staple| us a-secret|with password \""
)
# What a host has made for itself.
OWN = ["/etc/courier/srs-secrets", "/etc/courier-horde/secret"]
# Where secrets are known to be, so that a search that finds none is noticed.
HOLDERS = {
    "mx1": [
        *OWN,
        "/etc/courier/esmtpauthclient",
        "/etc/courier-mail-watch/alarm.secrets.json",
        "/etc/courier-mail-watch/proofs.secrets.json",
        "/etc/fetchmail/idle.rc",
        "/etc/fetchmail/pop.rc",
    ],
    "out1": ["/etc/courier/esmtpauthclient", "/etc/courier-mail-watch/proofs.secrets.json"],
    "sat1": ["/etc/courier/esmtpd.pem", "/etc/courier-mail-watch/proofs.secrets.json"],
}
# Whatever is in them: the passwords of databases, where there are some.
CLOSED = {"mx1": ["/etc/horde/horde/conf.php", "/etc/courier/authdaemonrc"], "out1": [], "sat1": []}


def processes(site, command):
    """What a command, of which $number is a process, says of each process of each daemon."""
    script = "for number in $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup {})/cgroup.procs); do {}; done"
    return {unit: site.run(script.format(unit, command)).stdout.split("\n\n") for unit in UNITS}


def test_every_process_of_a_daemon_has_few_rights(site):
    found = processes(site, r"grep -E '^(CapBnd|Seccomp):' /proc/$number/status && echo")
    for unit, statuses in found.items():
        status = [dict(line.split(":\t") for line in one.splitlines()) for one in statuses if one]
        assert status, unit
        assert {one["Seccomp"] for one in status} == {"2"}, unit
        bounds = [int(one["CapBnd"], 16) for one in status]
        refused = (NET_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_TIME)
        assert [bit for bit in refused for bound in bounds if bound >> bit & 1] == [], unit


def test_no_daemon_can_change_the_system(site):
    places = "/usr/bin/by-a-test /boot/by-a-test /etc/by-a-test /proc/sys/kernel/by-a-test"
    found = processes(site, f"nsenter -t $number -m sh -c 'for one in {places}; do touch $one && echo $one; done'")
    assert {unit: said for unit, said in found.items() if said != [""]} == {}


@pytest.mark.parametrize("which", HOLDERS)
def test_nobody_else_can_read_a_secret(site, host_named, which):
    host = host_named(f"{which}.{site.domain}")
    own = host.run(f"cat {' '.join(OWN)}").stdout.split()
    secrets = "|".join([SECRETS, *own])
    known = host.run(f"grep -lEs -e %s {' '.join(HOLDERS[which])}", secrets).stdout.split()
    assert known == HOLDERS[which]
    # The bed's own are beside: /etc/ssl/private/bed.key is root's.
    found = host.run(
        "find /etc /run /srv /usr/local /var/lib /var/log /root /home -path /var/lib/apt -prune -o"
        " -type f -perm /o=r -size -1048576c -print0 | xargs -0 grep -lEs -e %s",
        secrets,
    ).stdout.split()
    # Whoever can look into a directory above it can read it.
    open_ = [path for path in found + CLOSED[which] if host.run("runuser -u nobody -- head -c 1 %s", path).succeeded]
    assert open_ == []


def test_nobody_else_can_read_mail(site, token):
    site.check_output("printf 'Subject: %s\\n\\nx\\n' | sendmail -i alice@%s", token, site.domain)
    listed = site.check_output("find /srv/vmail -mindepth 1 -perm /o=rwx").split()
    assert [path for path in listed if site.run("runuser -u nobody -- ls %s", path).succeeded] == []
    queue = site.check_output("find /var/lib/courier/msgs /var/lib/courier/msgq /var/lib/courier/tmp").split()
    assert [path for path in queue if site.run("runuser -u nobody -- ls %s", path).succeeded] == []
