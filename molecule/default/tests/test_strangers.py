# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers may write to us, and to nobody else through us."""

from __future__ import annotations

import pytest

VICTIM = "mailbox@example.net"


@pytest.mark.parametrize("sender", ["someone@example.net", "alice@{domain}", ""], ids=["theirs", "ours", "null"])
@pytest.mark.parametrize(
    "recipient",
    [
        VICTIM,
        "@{domain}:" + VICTIM,
        "mailbox%example.net@{domain}",
        f'"{VICTIM}"@{{domain}}',
        "example.net!mailbox@{domain}",
    ],
    ids=["plain", "source route", "percent", "quoted", "bang"],
)
def test_port_25_does_not_relay(site, stranger, family, sender, recipient):
    with site.smtp(stranger, 25, family) as smtp:
        smtp.ehlo()
        assert smtp.mail(sender.format(domain=site.domain))[0] == 250
        assert smtp.rcpt(f"alice@{site.domain}")[0] == 250
        # Not smtp.rcpt(): it would tidy the address up.
        assert 500 <= smtp.docmd("RCPT", f"TO:<{recipient.format(domain=site.domain)}>")[0] < 600


@pytest.mark.parametrize(("port", "tls"), [(587, False), (587, True), (465, True)], ids=["587", "587 in TLS", "465"])
def test_the_submission_ports_want_a_login_first(site, stranger, family, port, tls):
    with site.smtp(stranger, port, family, tls=tls) as smtp:
        smtp.ehlo()
        # Before STARTTLS Courier's answer is 400.
        assert 400 <= smtp.mail(f"alice@{site.domain}")[0] < 600
        assert 400 <= smtp.rcpt(VICTIM)[0] < 600
