# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail programs that ask how to set themselves up, and what they can do with the answer."""

from __future__ import annotations

import json
import plistlib
import ssl
from xml.etree import ElementTree

import pytest

CONFIG = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
AUTODISCOVER = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"
OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
ASK = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">\n'
    "  <Request>\n    <EMailAddress>{}</EMailAddress>\n    <AcceptableResponseSchema>"
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    "</AcceptableResponseSchema>\n  </Request>\n</Autodiscover>\n"
)


def servers(page):
    """Type, host, port and kind of TLS, as Thunderbird reads them."""
    root = ElementTree.fromstring(page.text)
    assert (root.tag, root.get("version")) == ("clientConfig", "1.1")
    tags = ("hostname", "port", "socketType", "authentication", "username")
    found = root.findall("emailProvider/incomingServer") + root.findall("emailProvider/outgoingServer")
    return [(one.get("type"), *(one.findtext(tag) for tag in tags)) for one in found]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("autoconfig.{}", CONFIG),
        ("autoconfig.{}", WELL_KNOWN),
        ("autoconfig.{}", f"{CONFIG}?emailaddress=alice%40example.com"),
        ("{}", WELL_KNOWN),
    ],
)
def test_thunderbird_is_told_of_the_doors(site, web, family, name, path):
    page = web(name.format(site.domain), path, family=family)
    assert page.status == 200
    assert page.headers.get_content_type() == "application/xml"
    rest = ("password-cleartext", "%EMAILADDRESS%")
    assert servers(page) == [
        ("imap", site.name, "993", "SSL", *rest),
        ("smtp", site.name, "465", "SSL", *rest),
        ("smtp", site.name, "587", "STARTTLS", *rest),
    ]


def test_whoever_believes_it_can_read_and_send(site, stranger, web, letter, token, eventually):
    """With nothing but the address, the password, and what was said."""
    alice = site.accounts["alice"]
    letter["To"], letter["From"] = alice.address, alice.address
    for type_, host, port, security, _authentication, username in servers(web(f"autoconfig.{site.domain}", CONFIG)):
        user = username.replace("%EMAILADDRESS%", alice.address)
        site.trust = site.trusting(site.check_output("cat /etc/ssl/mail/mail.crt"), host)
        if type_ == "imap":
            with site.imap(stranger) as imap:
                assert (imap.port, imap.login(user, alice.password)[0]) == (int(port), "OK")
            continue
        with site.smtp(stranger, int(port), tls=security == "STARTTLS") as smtp:
            smtp.login(user, alice.password)
            letter.replace_header("Message-ID", f"<{token}.{port}@example.net>")
            smtp.send_message(letter)
    assert eventually(lambda: len(site.inbox(alice, token)) == 2)


@pytest.mark.parametrize(
    "path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"]
)
def test_outlook_is_told_of_the_doors(site, web, family, path):
    for name in (site.domain, f"autodiscover.{site.domain}", site.name):
        address = f"alice@shop.{site.domain}"
        page = web(name, path, "POST", ASK.format(address).encode(), family=family)
        assert page.status == 200
        root = ElementTree.fromstring(page.text)
        assert root.tag == f"{AUTODISCOVER}Autodiscover"
        tags = ("Type", "Server", "Port", "LoginName", "Encryption")
        told = [[one.findtext(OUTLOOK + tag) for tag in tags] for one in root.iter(f"{OUTLOOK}Protocol")]
        assert told == [
            ["IMAP", site.name, "993", address, "SSL"],
            ["SMTP", site.name, "465", address, "SSL"],
        ]


def test_outlook_hears_that_an_address_is_not_ours(site, web):
    page = web(
        f"autodiscover.{site.domain}", "/autodiscover/autodiscover.xml", "POST", ASK.format("a@example.net").encode()
    )
    assert ElementTree.fromstring(page.text).findtext(f".//{AUTODISCOVER}ErrorCode") == "500"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', 400),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>', 400),
        (b"x" * 17000, 413),
        (b"", 400),
    ],
    ids=["a file", "a bomb", "too much", "nothing"],
)
def test_what_attackers_post_is_refused(site, web, body, status):
    page = web(f"autodiscover.{site.domain}", "/autodiscover/autodiscover.xml", "POST", body)
    assert page.status == status
    assert b"root:" not in page.text


def test_apple_gets_a_profile(site, web, family):
    page = web(f"autoconfig.{site.domain}", f"/apple.mobileconfig?email=alice%40{site.domain}", family=family)
    assert page.headers.get_content_type() == "application/x-apple-aspen-config"
    profile = plistlib.loads(page.text)
    (account,) = profile["PayloadContent"]
    assert account["PayloadType"] == "com.apple.mail.managed"
    assert account["EmailAddress"] == account["IncomingMailServerUsername"] == f"alice@{site.domain}"
    told = [
        account[f"{way}MailServer{what}"] for way in ("Incoming", "Outgoing") for what in ("HostName", "PortNumber")
    ]
    assert told == [site.name, 993, site.name, 465]
    again = web(f"autoconfig.{site.domain}", f"/apple.mobileconfig?email=alice@{site.domain}")
    assert plistlib.loads(again.text) == profile


@pytest.mark.parametrize(
    "query", ["", "email=alice%40example.net", "email=%3C/string%3E%40{domain}", "email=a%0d%0aX:%20y%40{domain}"]
)
def test_apple_gets_none_for_a_bad_address(site, web, query):
    page = web(f"autoconfig.{site.domain}", f"/apple.mobileconfig?{query.format(domain=site.domain)}")
    assert page.status == 400
    assert b"<" not in page.text
    assert "X" not in page.headers


def test_people_find_a_page(site, web):
    page = web(f"autoconfig.{site.domain}")
    assert (page.status, page.headers.get_content_type()) == (200, "text/html")
    assert f"<td>{site.name}<td>993<td>SSL".encode() in page.text


def test_other_servers_find_the_policy(site, web, family):
    page = web(f"mta-sts.{site.domain}", "/.well-known/mta-sts.txt", family=family)
    assert (page.status, page.headers.get_content_type()) == (200, "text/plain")
    assert page.text.decode() == f"version: STSv1\r\nmode: testing\r\nmx: {site.name}\r\nmax_age: 86400\r\n"


def test_browsers_are_told_to_be_careful(site, web):
    for path in ("/", CONFIG, "/nothing"):
        headers = web(f"autoconfig.{site.domain}", path).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"] == "nginx"


@pytest.mark.parametrize(
    "path",
    [
        "/mail/../../etc/passwd",
        "/mail/%2e%2e/%2e%2e/etc/passwd",
        "/.well-known/acme-challenge/../../../etc/passwd",
        "/.well-known/acme-challenge/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
        "/.well-known/acme-challenge/",
        "/.git/config",
        "//etc/passwd",
    ],
)
@pytest.mark.parametrize("tls", [True, False], ids=["443", "80"])
def test_no_file_of_the_host_is_shown(site, web, path, tls):
    page = web(f"autoconfig.{site.domain}", path, tls=tls)
    assert page.status in (301, 400, 403, 404)
    assert b"root:" not in page.text


def test_in_clear_there_is_only_the_way_to_tls(site, web, family):
    for name in (f"autoconfig.{site.domain}", f"autodiscover.{site.domain}"):
        page = web(name, CONFIG, family=family, tls=False)
        assert (page.status, page.headers["Location"]) == (301, f"https://{name}{CONFIG}")


def test_head_has_no_text_and_nothing_can_be_changed(site, web):
    page = web(f"autoconfig.{site.domain}", CONFIG, "HEAD")
    assert (page.status, page.text) == (200, b"")
    for method in ("PUT", "DELETE", "POST", "TRACE"):
        assert web(f"autoconfig.{site.domain}", CONFIG, method).status == 405


@pytest.mark.parametrize("name", ["example.net", "autoconfig.example.net", "198.51.100.11"])
def test_another_name_is_refused(site, web, family, name):
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|unrecognized name"):
        web(name, CONFIG, family=family, trust=anybody)
    page = web(name, CONFIG, family=family, tls=False)
    assert (page.status, b"autoconfig" in page.text) == (404, False)


def test_a_name_of_a_site_within_another_handshake_gets_nothing_else(site, web):
    """The name in TLS is ours, and the one in the request is not."""
    page = web(f"mta-sts.{site.domain}", CONFIG)
    assert page.status == 404


@pytest.mark.parametrize(
    ("version", "opens"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)], ids=["1.1", "1.2", "1.3"]
)
def test_the_versions_of_tls_are_those_of_the_profile(site, web, version, opens):
    trust = ssl.create_default_context(cadata=site.check_output("cat /usr/local/share/ca-certificates/bed-acme.crt"))
    trust.minimum_version = trust.maximum_version = ssl.TLSVersion[version]
    trust.set_ciphers("DEFAULT@SECLEVEL=0")
    if opens:
        assert web(f"autoconfig.{site.domain}", CONFIG, trust=trust).status == 200
        return
    with pytest.raises((ssl.SSLError, ConnectionError)):
        web(f"autoconfig.{site.domain}", CONFIG, trust=trust)


def test_the_program_can_do_nothing_else(site):
    number = site.check_output("systemctl show -P MainPID courier-autoconfig")
    status = dict(line.split(":\t") for line in site.check_output("cat /proc/%s/status", number).splitlines())
    assert (status["CapBnd"].strip("0"), status["NoNewPrivs"], status["Seccomp"]) == ("", "1", "2")
    assert status["Uid"].split()[0] != "0"
    sees = "nsenter -t {} -m -n sh -c 'ls /etc/ssl/mail; ls /srv/vmail; ip -br link | grep -v ^lo'"
    assert site.run(sees.format(number)).stdout == ""


def test_a_program_that_died_is_back(site, web, eventually):
    site.check_output("systemctl kill --signal=KILL courier-autoconfig")
    assert eventually(lambda: web(f"autoconfig.{site.domain}", CONFIG).status == 200, 10)


def test_a_configuration_that_nginx_refuses_is_not_left_behind(site, web, play):
    """And the one that is there stays, on the host as in nginx."""
    before = site.check_output("cat /etc/nginx/snippets/courier-mail-https.conf")
    wrong = json.dumps({"nginx_tls_directory": "/etc/ssl/nobody"})
    results = play("courier.mail.people", f"--limit={site.name}", "--tags=nginx", f"--extra-vars={wrong}")
    (failed,) = [one for one in results if one.outcome == "failed"]
    assert "nginx refused and the old files were put back" in failed.message
    assert site.check_output("cat /etc/nginx/snippets/courier-mail-https.conf") == before
    assert web(f"autoconfig.{site.domain}", CONFIG).status == 200


REFUSED = {
    "a name without a certificate": (
        {"certificates_names": ["{{ mail_hostname }}"]},
        "and the certificate is not for these names; write them in certificates_names",
    ),
    "no door to read": ({"courier_imap_listeners": []}, "no door is open where people could read mail"),
    "nobody's domain": ({"mail_autoconfig_apexes": ["example.net"]}, "mail_autoconfig_apexes has example.net"),
    "a challenge that needs nginx's port": (
        {"certificates_acme_challenge": "standalone", "certificates_acme_webroot": ""},
        "certificates_acme_challenge is standalone, which needs port 80 at each renewal",
    ),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_is_refused_before_anything_changes(play, given, said):
    results = play("courier.mail.site", "--limit=mx1.example.com", f"--extra-vars={json.dumps(given)}")
    assert said in "\n".join(one.message for one in results if one.outcome == "failed")
    assert not [one for one in results if one.outcome == "changed"]
