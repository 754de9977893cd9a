# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that people and programs of this host send."""

from __future__ import annotations

import pytest

FRIEND = "mailbox@example.net"


@pytest.mark.parametrize("port", [587, 465])
def test_a_person_writes_to_the_world(site, stranger, foreign, family, letter, token, eventually, port):
    alice = site.accounts["alice"]
    with site.smtp(stranger, port, family) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [FRIEND])
    assert eventually(lambda: foreign.received(token))
    (message,) = foreign.received(token)
    assert message["Return-Path"] == f"<{alice.address}>"
    assert message.get_content().split() == letter.get_content().split()
    assert f"from {site.name}" in message["Received"]
    assert "using TLS" in message["Received"]


def test_a_person_writes_to_another(site, stranger, letter, token, eventually):
    alice = site.accounts["alice"]
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [f"bob@{site.domain}"])
    assert eventually(lambda: site.inbox(site.accounts["bob"], token))


def test_a_person_writes_to_an_address_in_utf8(site, stranger, foreign, letter, token, eventually):
    alice = site.accounts["alice"]
    letter["From"] = alice.address
    letter["To"] = "mailbox+\u03c6\u03af\u03bb\u03bf\u03c2@example.net"
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter)
    assert eventually(lambda: foreign.received(token))
    (message,) = foreign.received(token)
    assert message["To"] == letter["To"]


def test_a_program_writes_to_a_mailbox(site, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", f"alice@{site.domain}")
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


def test_a_program_writes_to_the_world(site, foreign, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", FRIEND)
    assert eventually(lambda: foreign.received(token))


@pytest.mark.parametrize("user", ["root", "postmaster", "www-data"])
def test_mail_for_a_local_user_reaches_the_contact(site, letter, token, eventually, user):
    site.sendmail(letter, f"root@{site.name}", user)
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


def test_a_route_is_taken_over_its_family_alone(site, foreign, family, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", f"mailbox@by-{family}.example.net")
    assert eventually(lambda: foreign.received(token))
    assert site.addresses[family] in foreign.received(token)[0]["Received"]
