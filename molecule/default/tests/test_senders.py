# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As whom people and our other servers may send, and how much."""

from __future__ import annotations

import smtplib
from email.policy import SMTP

import pytest

FRIEND = "mailbox@example.net"


@pytest.fixture
def send(site, stranger, letter):
    """Send as somebody who logs in. Returns the code of the answer to the message."""

    def send(who, sender, header=None, port=587):
        # As a mail program may write it, and not as Python would.
        text = f"From: {header or sender}\r\n".encode() + letter.as_bytes(policy=SMTP)
        with site.smtp(stranger, port) as smtp:
            smtp.login(*site.accounts[who])
            try:
                smtp.sendmail(sender, [site.accounts["bob"].address], text)
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
            return 250

    return send


class TestAsWhom:
    @pytest.mark.parametrize("port", [587, 465])
    @pytest.mark.parametrize("sender", ["alice@{}", "sales@{}", "alice-lists@{}", "alice@elsewhere.example.net"])
    def test_people_send_as_themselves_and_as_what_is_theirs(self, site, send, port, sender):
        assert send("alice", sender.format(site.domain), port=port) == 250

    @pytest.mark.parametrize("sender", ["bob@{}", "postmaster@example.net", "nobody@{}"])
    def test_people_send_as_nobody_else(self, site, send, sender):
        assert send("alice", sender.format(site.domain)) == 550

    @pytest.mark.parametrize("header", ["bob@{}", "Bob <bob@{}>", "alice@{}, bob@{}"])
    def test_nor_in_what_people_read(self, site, send, header):
        assert send("alice", f"alice@{site.domain}", header.replace("{}", site.domain)) == 550

    @pytest.mark.parametrize("satellite", ["sat1"], indirect=True)
    def test_a_satellite_sends_as_its_own_domains(self, site, satellite, letter, token, eventually):
        somebody = f"{token}@example.net"
        letter["From"] = somebody
        satellite.sendmail(letter, somebody, site.accounts["bob"].address)
        assert eventually(lambda: f"may not send as {somebody}" in satellite.said(somebody))
        assert not site.inbox(site.accounts["bob"], token)


class TestHowMuch:
    """Erin may send three messages an hour, to five recipients."""

    @pytest.fixture
    def released(self, site):
        release = f"courier-mail release {site.accounts['erin'].address}"
        site.run(release)
        yield release
        site.run(release)

    @pytest.mark.usefixtures("released")
    def test_too_many_recipients_are_refused_at_once(self, site, stranger, letter):
        erin = site.accounts["erin"]
        with site.smtp(stranger, 587) as smtp:
            smtp.login(*erin)
            with pytest.raises(smtplib.SMTPDataError) as refused:
                smtp.send_message(letter, erin.address, [f"a{number}@example.net" for number in range(6)])
        assert refused.value.smtp_code == 550

    def test_too_much_waits_until_the_operator_releases_it(self, site, send, released, eventually):
        erin = site.accounts["erin"].address
        codes = [send("erin", erin) for _number in range(5)]
        assert codes == [250, 250, 250, 451, 451]
        assert erin in site.check_output("courier-mail rate")
        # The contact is told once.
        assert eventually(lambda: site.inbox(site.accounts["alice"], erin, "TEXT"))
        assert send("bob", site.accounts["bob"].address) == 250
        site.check_output(released)
        assert send("erin", erin) == 250

    def test_what_does_not_wait_cannot_be_released(self, site):
        assert site.run("courier-mail release nobody@example.net").rc == 1
