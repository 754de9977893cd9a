# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters, traps and sinks that left the inventory have left the host."""

from __future__ import annotations

import smtplib

import pytest

from plugins.module_utils._filter_probe import TEXTS

WRITER = "mailbox@example.net"


@pytest.fixture
def deliver(site, stranger, letter):
    def deliver(recipient=None):
        with site.smtp(stranger, 25) as smtp:
            try:
                smtp.send_message(letter, WRITER, [recipient or site.accounts["alice"].address])
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
            return 250

    return deliver


def test_programs_pass_that_nobody_looks_for_any_more(deliver, letter):
    letter.add_attachment(b"MZ", maintype="application", subtype="octet-stream", filename="setup.exe")
    assert deliver() == 250


def test_viruses_do_not(deliver, letter):
    letter.set_content(TEXTS["virus"])
    assert deliver() == 554


def test_people_are_not_believed_any_more(site, stranger, letter, log_in):
    letter.set_content(TEXTS["spam"])
    alice = site.accounts["alice"]
    with site.smtp(stranger, 587) as smtp:
        log_in(smtp, alice, "CRAM-MD5")
        with pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.send_message(letter, alice.address, [site.accounts["bob"].address])
    assert refused.value.smtp_code == 554


def test_nothing_is_repaired(site, stranger, token, eventually):
    alice = site.accounts["alice"]
    with site.smtp(stranger, 25) as smtp:
        smtp.sendmail(WRITER, [alice.address], f"Subject: {token}\r\n\r\nHello\r\n")
    assert eventually(lambda: site.inbox(alice, token))
    (message,) = site.inbox(alice, token)
    assert "Message-ID" not in message
    assert "X-Courier-Mail-Repaired" not in message


@pytest.mark.parametrize("name", ["win.a.million", "never", "noreply"])
def test_who_was_a_trap_or_a_sink_is_nobody(site, deliver, name):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        deliver(f"{name}@{site.domain}")


def test_the_deny_list_is_not_kept_up_any_more(site):
    assert site.run("systemctl is-active courier-mail-deny.timer").stdout.strip() == "inactive"
    assert site.run("systemctl is-active courier-mail-learn.timer").stdout.strip() == "active"
