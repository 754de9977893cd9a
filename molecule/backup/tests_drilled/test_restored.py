# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drill brought back, on another release and for a user with another number."""

from __future__ import annotations

import json
import time

import pytest

REST = ("-e", "backup_repository=rest:https://dns.example.net:8000/")
MESSAGES = "cd /srv/vmail && find . -path '*/cur/*' -o -path '*/new/*' | sort"


@pytest.fixture(scope="session")
def drill(host_named):
    return host_named("drill.example.com")


def flags(listed):
    """The flags of each message, by folder and name. Who has looked into a folder since has made its messages old."""
    found = {}
    for path in listed.splitlines():
        directory, _slash, name = path.rpartition("/")
        name, _colon, info = name.partition(":2,")
        found[directory.rpartition("/")[0], name] = info
    return found


def test_every_message_is_there_with_its_flags(site, drill, state):
    noted = state()
    # What came later, such as letters about backups that failed, is in the next one.
    until = int(noted["finished"] - noted["minutes"] * 60 - 5)
    old = f"cd /srv/vmail && find . '(' -path '*/cur/*' -o -path '*/new/*' ')' ! -newermt @{until} | sort"
    wanted, found = flags(site.check_output(old)), flags(drill.check_output(MESSAGES))
    assert wanted.items() <= found.items()
    assert len(wanted) > 3
    assert any(wanted.values())


def test_it_belongs_to_whom_mail_belongs_to_there(drill):
    assert drill.check_output("stat -c %u /srv/vmail/example.com/alice/Maildir/new") == "5001"
    assert drill.check_output("find /srv/vmail ! -user vmail ! -name .courier-mail-before") == ""


def test_keys_are_the_same(site, drill):
    keys = "cd / && sha256sum $(find /etc/courier/dkim -name '*.private') /etc/courier/srs-secrets | sort"
    assert site.check_output(keys) == drill.check_output(keys)


def test_the_queue_waits_and_nothing_leaves(site, drill):
    controls = drill.check_output("cat $(find /var/lib/courier/msgs -name 'C*')")
    assert "@dead.test" in controls
    assert "\nL315360000\n" in controls
    with pytest.raises(ConnectionRefusedError):
        drill.connect(site.addresses["ipv4"], 25)


def test_no_secret_of_the_backup_is_left(drill):
    find = "find /etc/courier-mail-backup /var/lib/courier-mail-backup -type f ! -name '*.json'"
    assert drill.check_output(find) == ""
    assert drill.run("test -e /var/lib/courier-mail-backup/restored").failed


def test_the_host_itself_knows(state):
    noted = state()
    assert time.time() - noted["proved"] < 3600
    assert noted["proved"] > noted["finished"]
    assert 0 < noted["restore_minutes"] < 60


def test_a_host_that_has_mail_is_not_restored(site, play):
    before = site.check_output(MESSAGES)
    results = play("courier.mail.restore", "--limit", site.name)
    (refused,) = [one for one in results if one.outcome == "failed"]
    assert "has mail already" in refused.message
    assert "before anything is changed" in refused.message
    assert site.check_output(MESSAGES) == before
    assert site.check_output("systemctl is-active courier courier-mta") == "active\nactive"


def test_the_drill_is_not_for_a_host_that_serves(play):
    results = play("courier.mail.restore_drill", "-e", '{"backup_serving": ["drill.example.com"]}')
    assert [one for one in results if "must be in drill only" in one.message]
    assert not [one for one in results if one.outcome == "changed"]


def test_a_host_whose_mail_may_be_put_aside_is_restored(site, play):
    """It takes the host back to its last backup."""
    before = set(site.check_output(MESSAGES).splitlines())
    waiting = site.check_output("mailq -batch | grep -c @dead.test")
    results = play("courier.mail.restore", "--limit", site.name, "-e", f"backup_restore_over={site.name}")
    assert not results.failures
    after = {
        path for path in site.check_output(MESSAGES).splitlines() if not path.startswith("./.courier-mail-before/")
    }
    aside = site.check_output(
        "cd /srv/vmail/.courier-mail-before/* && find . -path '*/cur/*' -o -path '*/new/*' | sort"
    )
    assert before <= set(aside.splitlines())
    assert len(after) > 3
    # What Courier has still, it does not get a second time.
    assert site.check_output("mailq -batch | grep -c @dead.test") == waiting
    assert site.check_output("systemctl is-active courier courier-mta courier-imap-ssl") == "active\nactive\nactive"
    assert site.is_open(25)
    site.check_output("systemctl start courier-mail-backup")


def test_an_empty_host_becomes_what_it_was(site, play, letter, token, eventually):
    """Nothing is left of the host but its name. It comes back on another release, from the same files over REST."""
    site.check_output("systemctl start courier-mail-backup")
    # What the test before put aside is in no backup.
    before = flags(site.check_output(f"{MESSAGES} | grep -v courier-mail-before"))
    keys = "cd / && sha256sum $(find /etc/courier/dkim -name '*.private') /etc/courier/srs-secrets | sort"
    digests = site.check_output(keys)
    anew = json.dumps({"bed_anew": [site.name], "bed_image": "bookworm"})
    for playbook in ("molecule/shared/create.yml", "molecule/shared/prepare.yml"):
        results = play(playbook, "-e", anew)
        assert not results.failures
    empty = type(site)(site.name, site.facts)
    assert empty.run("dpkg -s courier-mta").failed
    assert empty.check_output("cat /etc/debian_version").startswith("12.")
    results = play("courier.mail.restore", "--limit", site.name, *REST)
    assert not results.failures
    assert before.items() <= flags(empty.check_output(MESSAGES)).items()
    assert empty.check_output(keys) == digests
    assert eventually(lambda: empty.run("mailq -batch | grep -c @dead.test").succeeded)
    empty.sendmail(letter, "someone@example.net", site.accounts["alice"].address)
    assert eventually(lambda: empty.inbox(site.accounts["alice"], token))


class TestOnDebian12:
    """The host of the test before, with the restic of Debian 12 and a server of REST."""

    def test_a_server_that_does_not_know_us_is_told(self, site, failing):
        site.check_output("cd /etc/courier-mail-backup && sed -i.well s/knots/miles/ environment.json")
        try:
            assert "does not let us write" in failing()
        finally:
            site.check_output("cd /etc/courier-mail-backup && mv environment.json.well environment.json")

    def test_a_server_that_is_gone_is_told(self, host_named, failing):
        server = host_named("dns.example.net")
        server.check_output("systemctl stop backup-rest")
        try:
            assert "cannot be reached" in failing()
        finally:
            server.check_output("systemctl start backup-rest")

    def test_what_it_keeps_comes_back(self, site, play, letter, token, eventually):
        alice = site.accounts["alice"]
        site.sendmail(letter, "someone@example.net", alice.address)
        assert eventually(lambda: site.inbox(alice, token))
        with site.imap(site) as imap:
            imap.login(*alice)
            imap.select()
            imap.store("1:*", "+FLAGS", r"\Answered")
        before = flags(site.check_output(MESSAGES))
        site.check_output("systemctl start courier-mail-backup")
        site.empty("alice")
        assert site.inbox(alice, token) == []
        # The test before has seen the other roles start what they own.
        some = ("--tags", "backup", "-e", f"backup_restore_over={site.name}")
        results = play("courier.mail.restore", "--limit", site.name, *some, *REST)
        site.check_output("systemctl start courier courier-mta courier-imap-ssl")
        assert not results.failures
        assert before.items() <= flags(site.check_output(MESSAGES)).items()
        assert any("R" in seen for seen in before.values())
        assert site.inbox(alice, token)
