# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was set up by hand: read, compared, taken over, and as useful as before. The tests follow each other."""

from __future__ import annotations

import smtplib

import pytest

WAYS = {"check": ("--check", "--diff"), "run": ()}
MOVE = """
cd / && systemctl stop courier courier-mta &&
mkdir -p /var/mail/example.com/dave && mv /home/dave/Maildir /var/mail/example.com/dave/Maildir &&
chown -R 1999:1999 /var/mail/example.com/dave && systemctl start courier-mta courier
"""


@pytest.fixture
def adopted(play):
    """Run the playbook: failed tasks, changed ones, and what was said at the end."""

    def go(way):
        results = play("courier.mail.adopted", *WAYS[way])
        return results.failures, [result for result in results if result.outcome == "changed"]

    return go


def test_what_was_read_is_what_modules_take(play):
    results = play("courier.mail.validate")
    assert [result.message for result in results if result.outcome == "failed"] == []


def test_a_check_run_shows_mail_that_would_be_left_behind_and_nothing_else(adopted):
    failed, _changed = adopted("check")
    items = {(one["path"], one["item"]) for result in failed for one in result.result.get("unexplained", [])}
    assert items == {
        ("mailboxes below /var/mail", "/var/mail/example.com/dave"),
        ("/etc/courier/userdb", "dave@example.com home"),
    }


def test_nothing_was_changed_by_that(site):
    assert site.run("test -e /etc/courier/smtpaccess/attackers").succeeded
    assert "Subject: of before" in site.check_output("cat /var/mail/example.com/alice/Maildir/new/*")


def test_when_the_mail_was_moved_only_the_place_of_it_is_new(site, adopted):
    site.check_output("bash -c %s", MOVE)
    failed, _changed = adopted("check")
    items = {one["item"] for result in failed for one in result.result.get("unexplained", [])}
    assert items == {"dave@example.com home"}


def test_it_is_taken_over(adopted):
    failed, changed = adopted("run")
    assert [(result.task, result.message) for result in failed] == []
    assert changed


def test_what_was_said_in_other_files_is_aside(site):
    assert not site.run("test -e /etc/courier/smtpaccess/attackers").succeeded
    kept = site.check_output("cat /var/backups/courier-mail-adopted/etc/courier/smtpaccess/attackers")
    assert "BIG-mail spammer" in kept


@pytest.mark.parametrize("who", ["alice", "dave"])
def test_the_old_password_reads_the_mail_of_before(site, who):
    account = site.accounts[who]._replace(password="correct horse battery staple")
    (letter,) = site.inbox(account, "of before")
    assert letter.get_content().strip() == "Keep me."


def test_new_mail_comes_to_the_same_mailbox(site, letter, token, eventually, host_named):
    letter["From"], letter["To"] = "someone@example.net", f"alice@{site.domain}"
    with site.call(host_named("dns.example.net"), 25) as smtp:
        smtp.sendmail("", [f"alice@{site.domain}"], bytes(letter))
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


def test_who_was_denied_is_denied(site):
    compiled = site.check_output("cat /etc/courier/smtpaccess/default")
    assert "203.0.113.64\tdeny" in compiled
    assert "\n10\t" not in compiled


def test_nobody_logs_in_on_port_25_any_more(site, host_named):
    with site.smtp(host_named("dns.example.net"), 25) as smtp, pytest.raises(smtplib.SMTPNotSupportedError):
        smtp.login(*site.accounts["alice"])


def test_a_run_after_that_changes_nothing(play):
    results = play("courier.mail.site")
    assert [result.task for result in results if result.outcome in ("changed", "failed")] == []
