# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of Debian 12 becomes one of Debian 13 while mail comes in: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import base64
import json
import re
import secrets
import smtplib
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HOST = "mx1.example.org"
SENDER = Path(__file__).parents[1] / "sender.py"
QUEUED = 20
PORTS = (25, 587, 465, 993)
# Where the packages of Debian 13 are kept meanwhile.
PLACE = "/var/lib/courier-mail-upgrade"
# What the bed does not need: a kernel, and a backup.
ARGUMENTS = ("--limit", HOST, "-e", "upgrade_reboot=false", "-e", "upgrade_converge=false")
WITHOUT_BACKUP = ("-e", "upgrade_backup_hours=0")


@pytest.fixture(scope="module")
def host(sites):
    (only,) = sites
    return only


@pytest.fixture(scope="module")
def world(host_named):
    return host_named("mx.example.net")


@pytest.fixture(scope="module")
def upgrade(play):
    return lambda *arguments: play("courier.mail.upgrade", *ARGUMENTS, *arguments)


def listening(host):
    return all(host.is_open(port) for port in PORTS)


class TestBefore:
    """These come first. Each leaves the host as it was."""

    @pytest.fixture(autouse=True)
    def same(self, host):
        def state():
            return host.check_output(
                "cat /etc/apt/sources.list; systemctl list-unit-files --state=masked --no-legend;"
                " dpkg -l | sha256sum; find /etc -newer /run/before -type f"
            )

        host.check_output("touch /run/before")
        before = state()
        yield
        assert state() == before
        assert listening(host)

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, host):
        """A small file system where the packages would be kept."""

        def place(megabytes):
            host.check_output(f"mkdir -p {PLACE} && mount -t tmpfs -o size={megabytes}m tmpfs {PLACE}")

        yield place
        host.check_output(f"umount {PLACE}; rmdir {PLACE}")

    @pytest.fixture(scope="class")
    @classmethod
    def megabytes(cls, upgrade):
        """What there is to download, as a dry run says."""
        results = upgrade(*WITHOUT_BACKUP, "--check")
        assert results.failures == []
        (said,) = [result.message for result in results if result.task.endswith("Say what is going to happen")]
        return int(
            re.match(r"Debian 13 is (\d+) MB to download. apt removes .* \d+ messages are in the queue.", said)[1]
        )

    def test_a_dry_run_leaves_nothing_behind(self, host, megabytes):
        assert 30 < megabytes < 1000
        assert not host.run(f"test -e {PLACE}").succeeded

    def test_goes_back_when_packages_do_not_come(self, upgrade, megabytes, place):
        # There is room for them, and apt keeps its lists beside them, of which nobody has asked.
        place(megabytes + 15)
        *_before, failed, last = upgrade(*WITHOUT_BACKUP, "-e", "upgrade_reserve=0").failures
        assert "apt-get ended with 100" in failed.message
        assert last.message.endswith("Debian 12 is as it was, and its doors are open.")

    def test_refuses_what_would_end_badly(self, host, upgrade, place):
        host.check_output("apt-mark hold base-files")
        try:
            (refused,) = upgrade().failures
        finally:
            host.check_output("apt-mark unhold base-files")
        assert refused.message.startswith("Nothing was changed. packages are held: base-files; release them")
        assert re.search(rf"{PLACE} has \d+ MB free, and \d+ are needed; make room there", refused.message)
        assert "no backup of this host is known; make one with courier.mail.backup" in refused.message


class Upgraded(NamedTuple):
    results: list[Any]
    cut_off: list[Any]  # of the run before, when the packages were new
    opened: list[int]  # ports, by a boot between the two
    token: str
    attempts: list[dict[str, Any]]  # of the sender


@pytest.fixture(scope="module")
def upgraded(host, world, upgrade):
    """The host after its upgrade, with mail that was there before, and mail that came all the time."""
    token = secrets.token_hex(12)
    alice = host.accounts["alice"]
    for number in range(QUEUED):
        text = f"From: <{alice.address}>\\nSubject: later {token} {number}\\n\\nLater.\\n"
        host.check_output(f"printf '{text}' | sendmail -f {alice.address} mailbox@partner.example.net")
    host.check_output(f"printf 'Subject: kept {token}\\n\\nKept.\\n' | sendmail {alice.address}")
    ask(lambda: host.inbox(alice, f"kept {token}"))
    with host.imap(host) as imap:
        imap.login(*alice)
        imap.select()
        imap.store("1:*", "+FLAGS", r"(\Seen \Flagged)")
    ask(lambda: waiting(host) == QUEUED)

    program = base64.b64encode(SENDER.read_bytes()).decode()
    world.check_output("echo %s | base64 -d >/root/sender.py", program)
    arguments = f"{host.addresses['ipv4']} {alice.address} {token} /run/enough"
    log = "/var/log/sender"
    world.check_output(f"systemd-run --unit=sender -p StandardOutput=file:{log} python3 /root/sender.py {arguments}")
    ask(lambda: int(world.run(f"grep -c taken {log}").stdout or 0) >= 3)
    # Nobody knows this listener: the roles refuse it when the packages are new and the doors may open.
    cut_off = upgrade(*WITHOUT_BACKUP, "-e", '{"courier_mta_listeners": ["window"]}')
    host.container.restart()
    host.run("systemctl is-system-running --wait")
    opened = [port for port in PORTS if host.is_open(port)]
    results = upgrade(*WITHOUT_BACKUP)
    world.check_output("touch /run/enough")
    ask(lambda: world.run("systemctl is-active sender").stdout.strip() == "inactive", within=120)
    return Upgraded(
        results, cut_off, opened, token, [json.loads(line) for line in world.check_output(f"cat {log}").splitlines()]
    )


def ask(question, within=60):
    """Until the answer is yes, as `eventually` does, for more than one test."""
    deadline = time.monotonic() + within
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert answer
    return answer


def waiting(host):
    """How many of the messages that nobody takes yet are in the queue."""
    return host.check_output("mailq -batch").count("mailbox@partner.example.net")


class TestAfter:
    def test_a_boot_before_the_roles_opens_no_door(self, upgraded):
        (refused,) = upgraded.cut_off.failures
        assert "window" in refused.message
        done = {one.task.rpartition(" : ")[2] for one in upgraded.cut_off if one.outcome == "changed"}
        assert "Let the doors open when the roles come to them" in done
        assert upgraded.opened == []

    def test_the_run_went_well(self, upgraded):
        assert upgraded.results.failures == []
        (said,) = [one.message for one in upgraded.results if one.task.endswith("Say how it went")]
        assert "No unit has failed." in said
        print(said)

    def test_it_is_debian_13(self, upgraded, host):
        assert host.check_output("cat /etc/debian_version").startswith("13.")
        assert host.check_output("dpkg-query -W -f '${Version}' courier-mta").startswith("1.4.")
        assert "bookworm" not in host.check_output("cat /etc/apt/sources.list")
        assert host.check_output("dpkg --audit") == ""
        assert host.run("apt-get --simulate full-upgrade | grep ^Inst").stdout == ""

    def test_nothing_was_lost_and_nothing_came_twice(self, upgraded, host, eventually):
        sent = {one["number"] for one in upgraded.attempts}
        assert {one["number"] for one in upgraded.attempts if one["outcome"] == "taken"} == sent

        def came():
            found = host.inbox(host.accounts["alice"], f"numbered {upgraded.token}")
            return Counter(int(letter["Subject"].split()[-1]) for letter in found)

        assert eventually(lambda: set(came()) >= sent)
        assert came() == Counter(sent)

    def test_nobody_was_refused_for_good(self, upgraded):
        assert [one for one in upgraded.attempts if one["outcome"] == "refused"] == []

    def test_the_doors_were_shut_for_minutes_only(self, upgraded, record_property):
        taken = sorted(one["time"] for one in upgraded.attempts if one["outcome"] == "taken")
        gap = max(after - before for before, after in pairwise(taken))
        record_property("minutes of refusal", round(gap / 60, 2))
        print(f"Nobody was let in for {gap / 60:.1f} minutes; {len(taken)} messages in all.")
        assert gap < 15 * 60

    def test_the_queue_is_what_it_was(self, upgraded, host, world, host_named, eventually):
        assert eventually(lambda: waiting(host) == QUEUED)
        address = world.addresses["ipv4"]
        update = f"server 127.0.0.1\nupdate delete late.example.net\nupdate add late.example.net 60 A {address}\nsend\n"
        host_named("dns.example.net").check_output("printf %s | nsupdate", update.replace("\n", "\\n"))
        assert eventually(lambda: host.run("courier flush").succeeded and waiting(host) == 0, within=120)

        def subjects():
            said = world.run("grep -rh '^Subject: later %s' /home/mailbox/Maildir/new", upgraded.token).stdout
            return Counter(said.splitlines())

        assert eventually(lambda: subjects().total() >= QUEUED)
        assert subjects() == Counter(f"Subject: later {upgraded.token} {number}" for number in range(QUEUED))

    def test_mail_is_where_it_was_with_its_flags(self, upgraded, host):
        with host.imap(host) as imap:
            imap.login(*host.accounts["alice"])
            imap.select(readonly=True)
            _rest, (numbers,) = imap.search(None, "SUBJECT", f'"kept {upgraded.token}"')
            _rest, (flags,) = imap.fetch(numbers.decode(), "(FLAGS)")
        assert {rb"\Seen", rb"\Flagged"} <= set(re.search(rb"FLAGS \(([^)]*)\)", flags)[1].split())

    def test_filters_look_into_mail_again(self, upgraded, host, world, letter):
        letter.add_attachment(b"MZ", "application", "octet-stream", filename="probe.exe")
        with pytest.raises(smtplib.SMTPDataError) as refused, host.smtp(world, 25) as smtp:
            smtp.send_message(letter, "mailbox@example.net", [host.accounts["bob"].address])
        assert refused.value.smtp_code >= 500

    def test_files_of_courier_are_those_of_its_packages(self, upgraded, host):
        assert "noidentlookup" not in host.check_output("cat /etc/courier/esmtpd /etc/courier/imapd")
        assert host.check_output("find /etc/courier -name '*.dpkg-*'") == ""
        assert "noidentlookup" in host.check_output(f"cat {PLACE}/courier/esmtpd")

    def test_nothing_is_masked_any_more(self, upgraded, host):
        masked = host.run("systemctl list-unit-files 'courier*' --state=masked --no-legend").stdout
        assert masked == ""

    def test_another_run_has_nothing_to_do(self, upgraded, upgrade):
        results = upgrade()
        assert [one for one in results if one.outcome not in ("ok", "skipped")] == []

    def test_the_host_is_as_the_inventory_says(self, upgraded, play):
        results = play("courier.mail.site", "--check", "--diff")
        assert [one for one in results if one.outcome not in ("ok", "skipped")] == []
