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
]
# What a secret looks like: keys, hashes of passwords, the provider's password.
SECRETS = r"BEGIN [A-Z ]*PRIVATE KEY|\$6\$courier\.mail|\$y\$j9T|a-secret-for-the-vault|09eae0fafdb8b11dde53f003"


@pytest.mark.parametrize("unit", UNITS)
def test_every_process_of_a_daemon_has_few_rights(site, unit):
    group = site.check_output("systemctl show -P ControlGroup %s", unit)
    numbers = site.check_output("cat /sys/fs/cgroup%s/cgroup.procs", group).split()
    assert numbers
    for number in numbers:
        status = dict(
            line.split(":\t", 1) for line in site.run(f"cat /proc/{number}/status").stdout.splitlines() if ":\t" in line
        )
        if not status:
            continue  # gone meanwhile
        bounds = int(status["CapBnd"], 16)
        refused = (NET_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_TIME)
        assert [bit for bit in refused if bounds >> bit & 1] == []
        assert status["Seccomp"] == "2"


@pytest.mark.parametrize("unit", UNITS)
def test_no_daemon_can_change_the_system(site, unit):
    group = site.check_output("systemctl show -P ControlGroup %s", unit)
    number = site.check_output("head -1 /sys/fs/cgroup%s/cgroup.procs", group)
    for place in ("/usr/bin", "/etc", "/etc/courier", "/boot", "/proc/sys/kernel"):
        done = site.run(f"nsenter -t {number} -m touch {place}/by-a-test")
        assert not done.succeeded, place


@pytest.mark.parametrize("which", ["site", "smarthost"])
def test_nobody_else_can_read_a_secret(request, site, which):
    host = request.getfixturevalue(which)
    # The bed's own are beside: /etc/ssl/private/bed.key is root's.
    found = host.run(
        "find /etc /run /srv /usr/local /var /root /home -type f -perm /o=r -size -1M -print0 | xargs -0 grep -lEs %s",
        SECRETS,
    ).stdout.split()
    # Whoever can look into a directory above it can read it.
    open_ = [path for path in found if host.run("runuser -u nobody -- head -c 1 %s", path).succeeded]
    assert open_ == []


def test_nobody_else_can_read_mail(site, token):
    site.check_output("printf 'Subject: %s\\n\\nx\\n' | sendmail -i alice@%s", token, site.domain)
    listed = site.check_output("find /srv/vmail -mindepth 1 -perm /o=rwx").split()
    assert [path for path in listed if site.run("runuser -u nobody -- ls %s", path).succeeded] == []
    queue = site.check_output("find /var/lib/courier/msgs /var/lib/courier/msgq /var/lib/courier/tmp").split()
    assert [path for path in queue if site.run("runuser -u nobody -- ls %s", path).succeeded] == []
