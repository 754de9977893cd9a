# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody has Erin's password and sends with it: the steps of docs/security.md, up to her next letter."""

from __future__ import annotations

import imaplib
import smtplib

import pytest

VICTIMS = "{}-{}@dead.test"  # whose mail waits: DNS does not answer
NEW = "a password that nobody stole"


@pytest.fixture
def erin(site):
    """Erin, who may send three messages an hour; afterwards as she was."""
    erin = site.accounts["erin"]
    release = f"courier-mail release {erin.address}"
    site.run(f"{release}; courier-mail purge {erin.address}")
    site.check_output("cp --archive /etc/courier/userdb /root/userdb.kept")
    yield erin
    site.check_output("cp --archive /root/userdb.kept /etc/courier/userdb && rm /root/userdb.kept && makeuserdb")
    site.run(release)


def send(smtp, sender, recipient, subject):
    try:
        smtp.sendmail(sender, [recipient], f"From: {sender}\r\nSubject: {subject}\r\n\r\nBuy!\r\n")
    except smtplib.SMTPDataError as refused:
        return refused.smtp_code
    return 250


def test_a_stolen_password(site, stranger, foreign, erin, token, eventually):
    alice, bob = site.accounts["alice"], site.accounts["bob"]
    thief_reads = site.imap(stranger)
    thief_reads.login(*erin)
    thief = site.smtp(stranger, 587)
    thief.login(*erin)

    # Three go into the queue, and then no more.
    codes = [send(thief, erin.address, VICTIMS.format(number, token), token) for number in range(5)]
    assert codes == [250, 250, 250, 451, 451]
    assert eventually(lambda: site.waiting(token))
    # The contact reads of it, and what to do.
    assert eventually(lambda: [m for m in site.inbox(alice, erin.address, "TEXT") if "courier-mail purge" in str(m)])

    # Who was logged in stays so when the password changes, until the doors are opened anew.
    site.check_output(
        f"userdb {erin.address} unset hmac-md5pw hmac-sha1pw hmac-sha256pw &&"
        f" echo '{NEW}' | openssl passwd -6 -stdin | userdb {erin.address} set systempw && makeuserdb"
    )
    assert thief_reads.noop()[0] == "OK"
    site.check_output("systemctl restart courier-imap-ssl")
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        thief_reads.noop()
    assert send(thief, erin.address, bob.address, token) == 451
    thief.close()
    with site.smtp(stranger, 587) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(*erin)

    # What waits is thrown away, and Erin reads of it what was sent in her name.
    purge = f"courier-mail purge {erin.address}"
    assert site.check_output(f"{purge} --dry-run").count(token) == 3
    assert site.check_output(purge).count("is thrown away") == 3
    assert eventually(lambda: not site.waiting(token))
    assert site.check_output(purge) == f"Nothing of {erin.address} waits."
    assert not foreign.received(token)

    # Erin sends again.
    site.check_output(f"courier-mail release {erin.address}")
    with site.smtp(stranger, 587) as smtp:
        smtp.login(erin.address, NEW)
        assert send(smtp, erin.address, bob.address, f"honest-{token}") == 250
    assert eventually(lambda: site.inbox(bob, f"honest-{token}"))


def test_an_account_waits_when_the_operator_says_so(site, stranger, erin, token):
    site.check_output(f"courier-mail hold {erin.address}")
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*erin)
        assert send(smtp, erin.address, site.accounts["bob"].address, token) == 451
    site.check_output(f"courier-mail release {erin.address}")
