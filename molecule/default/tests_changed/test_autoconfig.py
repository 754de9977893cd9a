# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail programs are told of other doors, and of a domain that came. One that left is not spoken of."""

from __future__ import annotations

import ssl
from xml.etree import ElementTree

import pytest

CONFIG = "/mail/config-v1.1.xml"


@pytest.mark.parametrize("domain", ["{domain}", "also.{domain}"])
def test_the_doors_are_those_that_are_open_now(site, web, domain):
    page = web(f"autoconfig.{domain.format(domain=site.domain)}", CONFIG)
    found = [one for one in ElementTree.fromstring(page.text).iter() if one.tag.endswith("Server")]
    tags = ("port", "socketType", "authentication")
    assert [(one.get("type"), *(one.findtext(tag) for tag in tags)) for one in found] == [
        ("imap", "993", "SSL", "password-cleartext"),
        ("imap", "143", "STARTTLS", "password-cleartext"),
        ("pop3", "995", "SSL", "password-cleartext"),
        # Passwords by CRAM only.
        ("smtp", "587", "STARTTLS", "password-encrypted"),
    ]


def test_the_web_server_has_the_new_certificate(site, stranger):
    context = ssl.create_default_context(cadata=site.check_output("cat /etc/ssl/mail/mail.crt"))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with context.wrap_socket(stranger.connect(site.addresses["ipv6"], 443), server_hostname=site.name) as secured:
        assert ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True)) in site.check_output(
            "cat /etc/ssl/mail/mail.crt"
        )


def test_a_former_name_is_unknown(site, web, family):
    """Of a domain that left, and of one that leads elsewhere now."""
    for name in (*(f"{one}.shop.{site.domain}" for one in ("autoconfig", "autodiscover", "mta-sts")), site.domain):
        with pytest.raises(ssl.SSLError):
            web(name, CONFIG, family=family)
        assert web(name, CONFIG, family=family, tls=False).status == 404
