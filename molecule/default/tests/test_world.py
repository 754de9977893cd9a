# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS with the servers of the world: as good as they can, and as their domain's MTA-STS policy says."""

from __future__ import annotations


def test_an_old_server_with_a_certificate_of_nobody_gets_mail_encrypted(site, faults, letter, token, eventually):
    site.sendmail(letter, site.accounts["alice"].address, f"{token}@old.example.net")
    assert eventually(lambda: faults.visits(token))
    assert [visit.tls for visit in faults.visits(token)] == ["TLSv1.2"]


def test_a_server_with_a_broken_starttls_gets_mail_in_clear_in_the_end(site, faults, letter, token, eventually):
    recipient = f"{token}@broken-starttls.example.net"
    site.sendmail(letter, site.accounts["alice"].address, recipient)
    assert eventually(lambda: "status: " in site.said(recipient))
    # Courier remembers it for some hours, so only the first message ever waits.
    if "status: deferred" in site.said(recipient):
        site.check_output("courier flush")
    assert eventually(lambda: faults.visits(token))
    assert [visit.tls for visit in faults.visits(token)] == [None]


class TestMtaSts:
    def test_a_server_as_its_policy_says_gets_mail(self, site, foreign, letter, token, eventually):
        site.sendmail(letter, site.accounts["alice"].address, "mailbox@strict.example.net")
        assert eventually(lambda: foreign.received(token))
        # Kept, so that the policy holds when somebody hides it later.
        assert "mode: enforce" in site.check_output("cat /var/lib/courier/sts/strict.example.net")

    def test_a_certificate_that_fails_a_policy_to_enforce_keeps_mail_waiting(
        self, site, faults, letter, token, eventually
    ):
        recipient = f"{token}@enforced.example.net"
        site.sendmail(letter, site.accounts["alice"].address, recipient)
        assert eventually(lambda: "status: deferred" in site.said(recipient))
        assert "not signed by a trusted authority" in site.said(recipient)
        assert not faults.visits(token)
        assert site.waiting(recipient)

    def test_an_mx_that_the_policy_does_not_name_gets_nothing(self, site, foreign, letter, token, eventually):
        alice = site.accounts["alice"]
        site.sendmail(letter, alice.address, f"mailbox+{token}@elsewhere.example.net")
        assert eventually(lambda: site.inbox(alice, token, "TEXT"))
        assert "Did not find a suitable MX" in site.inbox(alice, token, "TEXT")[0].as_string()
        assert not foreign.received(token)

    def test_a_policy_to_try_keeps_nothing(self, site, faults, letter, token, eventually):
        site.sendmail(letter, site.accounts["alice"].address, f"{token}@tried.example.net")
        assert eventually(lambda: faults.visits(token))
        assert [visit.tls for visit in faults.visits(token)] == ["TLSv1.2"]
