# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of an ACME authority: got, served on every port, renewed without anybody noticing, and missed aloud."""

from __future__ import annotations

import functools
import json
import ssl
from contextlib import contextmanager

import pytest

PORTS = (25, 587, 465, 993)
FILE = "/etc/ssl/mail/mail.crt"
RENEWAL = "/etc/letsencrypt/renewal/courier-mail.conf"
# Without the last option certbot sleeps for minutes where nobody looks.
RENEW = "certbot renew --quiet --force-renewal --no-random-sleep-on-renew"


@pytest.fixture
def renew(site, eventually):
    def done():
        said = site.run(RENEW)
        return None if "Another instance of Certbot" in said.stderr else said  # that of its timer

    def renew():
        said = eventually(done)
        assert said, "certbot's timer goes on and on"
        assert said.succeeded, said

    return renew


def authority(site):
    """The certificate of the authority, which servers do not send."""
    return site.check_output("cat /usr/local/share/ca-certificates/bed-acme.crt")


@pytest.fixture
def served_by(stranger):
    """The certificate that a port of a site shows to a client that trusts the authority and wants a name."""

    def served_by(site, port, name="", trusted=""):
        site.trust = site.trusting(trusted or authority(site), name or site.name)
        with site.imap(stranger) if port == 993 else site.smtp(stranger, port) as client:
            return client.sock.getpeercert(binary_form=True)

    return served_by


@pytest.fixture
def served(site, served_by):
    return functools.partial(served_by, site)


def first(pem):
    return ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----END CERTIFICATE-----\n") + 26])


def in_file(site):
    return first(site.check_output("cat %s", FILE) + "\n")


@pytest.mark.parametrize("port", PORTS)
def test_every_port_serves_the_file(site, served, port):
    assert served(port) == in_file(site)


def test_the_authority_signed_for_every_name(site, served):
    names = [site.name, f"imap.{site.domain}"]
    assert {served(993, name) for name in names} == {in_file(site)}
    with pytest.raises(ssl.SSLCertVerificationError):
        served(993, f"smtp.{site.domain}")


def test_the_key_is_of_the_type_that_is_wanted(site):
    said = site.check_output("openssl x509 -noout -text -in %s", FILE)
    algorithm = {"ecdsa": "id-ecPublicKey", "rsa": "rsaEncryption"}[site.facts.get("certificates_key_type", "ecdsa")]
    assert f"Public Key Algorithm: {algorithm}" in said


def test_the_daemons_can_read_the_key_and_nobody_else(site):
    assert site.check_output("stat --format='%U %G %a' /etc/ssl/mail/mail.pem") == "root courier 640"


def test_the_renewal_is_due_without_anybody(site):
    assert site.check_output("systemctl is-enabled certbot.timer") == "enabled"
    assert site.check_output("systemctl is-active certbot.timer") == "active"


class TestRenewal:
    def test_is_served_at_once_and_leaves_a_session_in_data_alone(
        self, site, stranger, served, token, renew, eventually
    ):
        before = {port: served(port) for port in PORTS}
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail("mailbox@example.net")
            smtp.rcpt(site.accounts["alice"].address)
            assert smtp.docmd("DATA")[0] == 354
            smtp.send(f"Subject: {token}\r\n\r\nThe first half, ")

            renew()
            after = {port: served(port) for port in PORTS}

            smtp.send("and the second.\r\n")
            assert smtp.docmd(".")[0] == 250
        assert set(after.values()) == {in_file(site)}
        assert not set(after.values()) & set(before.values())
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))
        (message,) = site.inbox(site.accounts["alice"], token)
        assert message.get_content().strip() == "The first half, and the second."

    def test_restarts_no_daemon(self, site, renew):
        units = "courier courier-mta courier-msa courier-mta-ssl courier-imap-ssl"
        before = site.check_output(f"systemctl show --property=MainPID,ExecMainStartTimestampMonotonic {units}")
        renew()
        assert site.check_output(f"systemctl show --property=MainPID,ExecMainStartTimestampMonotonic {units}") == before

    def test_leaves_the_next_run_nothing_to_do(self, site, play, renew):
        renew()
        results = play("courier.mail.site", f"--limit={site.name}", "--tags=certificates")
        assert results
        assert not [result for result in results if result.outcome not in ("ok", "skipped")]


class TestFailure:
    """The postmaster gets a letter, and the old certificate is served."""

    @contextmanager
    def without_the_authority(self, site, host_named):
        addresses = host_named("acme.example.net").addresses.values()
        for address in addresses:
            site.check_output("ip route add unreachable %s", address)
        try:
            yield
        finally:
            for address in addresses:
                site.check_output("ip route del unreachable %s", address)

    def test_of_a_renewal(self, site, host_named, served, eventually):
        before = in_file(site)
        before_that = site.inbox(site.accounts["alice"], "renewed")
        # As if it had to be renewed today.
        site.check_output("sed --in-place=.kept '1i renew_before_expiry = 9999 days' %s", RENEWAL)
        try:
            with self.without_the_authority(site, host_named):
                assert site.run("systemctl start certbot.service").failed
        finally:
            site.check_output("mv %s.kept %s", RENEWAL, RENEWAL)
            site.check_output("systemctl reset-failed certbot.service")
        assert {served(port) for port in PORTS} == {in_file(site)} == {before}
        assert eventually(lambda: len(site.inbox(site.accounts["alice"], "renewed")) > len(before_that))
        text = site.inbox(site.accounts["alice"], "renewed")[-1].get_content()
        assert f"{site.name} goes on with the certificate that it has" in text
        assert "Failed to renew certificate courier-mail" in text

    @pytest.mark.parametrize("fault", ["another key", "another name"])
    def test_to_serve_what_was_got(self, site, token, eventually, fault):
        """As certbot calls it, with a lineage that is not as it should be."""
        before = in_file(site)
        lineage = f"/tmp/{token}"
        site.check_output("mkdir -p %s && cp -L /etc/letsencrypt/live/courier-mail/*.pem %s", lineage, lineage)
        if fault == "another key":
            site.check_output(
                "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 > %s/privkey.pem", lineage
            )
        hook = "/usr/local/lib/courier-certificate deploy /etc/ssl/mail courier %s"
        name = "other.example.net" if fault == "another name" else site.name
        done = site.run(f"RENEWED_LINEAGE={lineage} {hook}", name)
        assert done.failed
        assert in_file(site) == before
        assert eventually(lambda: site.inbox(site.accounts["alice"], lineage, "TEXT"))


def test_a_change_gets_another_certificate_and_keeps_it(sites, play, served_by):
    """Of names and key, and back; for both sites in the same runs, which take long."""
    other = json.dumps(
        {
            "certificates_key_type": "{{ bed_other_key_types[inventory_hostname] }}",
            "bed_other_key_types": {
                site.name: {"rsa": "ecdsa"}.get(site.facts.get("certificates_key_type", "ecdsa"), "rsa")
                for site in sites
            },
            # What mail programs and browsers ask must stay.
            "certificates_names": (
                "{{ [mail_hostname, mail_webmail.host] "
                "+ (mail_domains | courier.mail.autoconfig_names(true, mail_autoconfig_apexes)) }}"
            ),
        }
    )
    run = ("courier.mail.site", f"--limit={','.join(site.name for site in sites)}", "--tags=certificates")
    try:
        for outcome in ("changed", "ok"):
            results = [one for one in play(*run, f"--extra-vars={other}") if one.action == "courier.mail.certbot"]
            for site in sites:
                outcomes = [one.outcome for one in results if one.host == site.name]
                assert outcomes == ["ok", outcome, "skipped"]  # may it, does it, and forgets it not
        for site in sites:
            assert {served_by(site, port) for port in PORTS} == {in_file(site)}
            with pytest.raises(ssl.SSLCertVerificationError):
                served_by(site, 993, f"imap.{site.domain}")
    finally:
        play(*run)
    for site in sites:
        assert served_by(site, 993, f"imap.{site.domain}") == in_file(site)


def test_standalone_is_refused_where_somebody_else_listens(play):
    """Where the web server is none of ours."""
    other = json.dumps(
        {
            "certificates_web_server": False,
            "certificates_acme_challenge": "standalone",
            "certificates_acme_webroot": "",
            "__certificates_replaces": "",
        }
    )
    results = play("courier.mail.site", "--limit=mx1.example.org", "--tags=certificates", f"--extra-vars={other}")
    (failed,) = [result.message for result in results if result.outcome == "failed"]
    assert "the challenge standalone needs port 80, and another program listens there" in failed
    assert not [result for result in results if result.outcome == "changed"]


def test_a_file_for_a_name_is_served_to_who_asks_for_it(site, served):
    """Courier looks for mail.pem.NAME first. The role writes none, and a site may."""
    name = f"imap.{site.domain}"
    file = f"/etc/ssl/mail/mail.pem.{name}"
    make = "openssl req -x509 -newkey rsa:2048 -noenc -keyout /dev/stdout -subj /CN=%s -addext subjectAltName=DNS:%s"
    site.check_output(f"{make} | cat > %s && chgrp courier %s && chmod 640 %s", name, name, file, file, file)
    try:
        pem = site.check_output("cat %s", file) + "\n"
        pem = pem[pem.index("-----BEGIN CERTIFICATE-----") :]
        for port in PORTS:
            assert served(port, name, pem) == first(pem)
            assert served(port) == in_file(site)
    finally:
        site.check_output("rm %s", file)
