# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that only send: through the hub, or by IPv6 alone through a smarthost that has a provider."""

from __future__ import annotations

import pytest

FRIEND = "mailbox@example.net"


def hops(message):
    """Who took a message from whom, the last first."""
    return [" ".join(received.split()) for received in message.get_all("Received")]


class TestToTheWorld:
    @pytest.fixture
    def arrived(self, satellite, foreign, letter, token, eventually):
        satellite.sendmail(letter, f"root@{satellite.name}", FRIEND)
        assert eventually(lambda: foreign.received(token))
        (message,) = foreign.received(token)
        assert message["Return-Path"] == f"<root@{satellite.name}>"
        return hops(message)

    @pytest.mark.parametrize("satellite", ["sat1"], indirect=True)
    def test_through_the_hub(self, site, satellite, arrived):
        assert arrived[0].startswith(f"from {site.name} ")
        assert arrived[1].startswith(f"from {satellite.name} ")
        assert "TLS1.3" in arrived[1]

    @pytest.mark.parametrize("satellite", ["sat2"], indirect=True)
    def test_through_a_smarthost_and_its_provider(self, satellite, smarthost, arrived):
        provider, authenticated, by_ipv6 = arrived[:3]
        assert provider.startswith("from relay.example.net ")
        assert authenticated.startswith(f"from {smarthost.name} ")
        assert "TLSv1.3" in authenticated
        assert f"(Authenticated sender: {smarthost.name.partition('.')[2]})" in authenticated
        assert by_ipv6.startswith(f"from {satellite.name} ")
        assert satellite.addresses["ipv6"] in by_ipv6
        assert "TLS1.3" in by_ipv6


@pytest.mark.parametrize("user", ["root", "www-data", "a-user-that-nobody-told-us-of"])
def test_mail_for_a_system_user_reaches_the_contact_of_the_site(site, satellite, letter, token, eventually, user):
    satellite.sendmail(letter, f"root@{satellite.name}", user)
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


def test_mail_for_people_goes_to_their_mailboxes_on_the_hub(site, satellite, letter, token, eventually):
    satellite.sendmail(letter, f"root@{satellite.name}", site.accounts["bob"].address)
    assert eventually(lambda: site.inbox(site.accounts["bob"], token))


@pytest.mark.parametrize("author", ["root", "a-script"])
def test_a_bounce_is_readable_at_the_hub(site, satellite, letter, token, eventually, author):
    satellite.sendmail(letter, f"{author}@{satellite.name}", f"nobody-{token}@example.net")
    assert eventually(lambda: site.inbox(site.accounts["alice"], token, "TEXT"))
    (notice,) = site.inbox(site.accounts["alice"], token, "TEXT")
    assert notice.get_content_type() == "multipart/report"
    assert f"nobody-{token}@example.net" in notice.as_string()


def test_it_opens_no_door(satellite, family):
    assert not [port for port in (25, 465, 587, 143, 993, 995) if satellite.is_open(port, family)]


class TestTheHub:
    @pytest.mark.parametrize("port", [465, 587])
    def test_relays_for_its_satellite_without_a_login(self, site, host_named, family, port):
        with site.smtp(host_named(f"sat1.{site.domain}"), port, family) as smtp:
            smtp.ehlo()
            assert smtp.mail(f"root@sat1.{site.domain}")[0] == 250
            assert smtp.rcpt(FRIEND)[0] == 250

    def test_does_not_for_the_satellite_of_another(self, site, host_named):
        with site.smtp(host_named(f"sat2.{site.domain}"), 587, "ipv6") as smtp:
            smtp.ehlo()
            assert 500 <= smtp.mail(f"root@sat2.{site.domain}")[0] < 600

    def test_takes_mail_for_every_name_of_its_satellite(self, site, stranger, letter, token, eventually):
        with site.smtp(stranger, 25) as smtp:
            smtp.send_message(letter, FRIEND, [f"whoever-{token}@sat1.{site.domain}"])
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))

    def test_refuses_mail_for_the_satellite_of_another(self, site, stranger):
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail(FRIEND)
            assert 500 <= smtp.rcpt(f"root@sat2.{site.domain}")[0] < 600


def test_the_smarthost_relays_for_no_stranger(smarthost, stranger, family):
    with smarthost.call(stranger, 25, family) as smtp:
        smtp.ehlo()
        smtp.mail(FRIEND)
        assert smtp.rcpt("somebody@example.net")[0] == 513
