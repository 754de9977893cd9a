"""The program that mail programs ask; files/courier_autoconfig.py of the role autoconfig."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import plistlib
import uuid
from pathlib import Path
from xml.etree import ElementTree

import pytest

from plugins.module_utils._courier.autoconfig import Site, configuration

PROGRAM = Path(__file__).parents[3] / "roles/autoconfig/files/courier_autoconfig.py"
OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
AUTODISCOVER = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"
POLICY = "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmax_age: 86400\r\n"
SITE = Site(
    "mx1.example.com",
    ["example.com", "shop.example.com", "münchen.example"],
    ["smtp", "imaps", "smtps", "submission"],
    ["PLAIN"],
    {"example.com": POLICY},
    ["shop.example.com"],
)
ASK = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
    "<EMailAddress>{}</EMailAddress><AcceptableResponseSchema>"
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    "</AcceptableResponseSchema></Request></Autodiscover>"
)


def load():
    loader = importlib.machinery.SourceFileLoader("courier_autoconfig", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("courier_autoconfig", loader))
    loader.exec_module(module)
    return module


program = load()


def ask(url, method="GET", body="", site=SITE):
    host, _slash, path = url.partition("/")
    path, _question, query = f"/{path}".partition("?")
    sent = body.encode()
    said = {}

    def start(status, headers):
        said.update(status=status, **dict(headers))

    environ = {
        "REQUEST_METHOD": method,
        "HTTP_HOST": host,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.input": io.BytesIO(sent),
    }
    text = b"".join(program.application(program.read(configuration(site)))(environ, start))
    return said, text


def post(address, url="autodiscover.example.com/autodiscover/autodiscover.xml", site=SITE):
    return ElementTree.fromstring(ask(url, "POST", ASK.format(address), site)[1])


class TestThunderbird:
    """https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat"""

    @pytest.mark.parametrize(
        "url",
        [
            "autoconfig.example.com/mail/config-v1.1.xml",
            "AutoConfig.Example.com:443/mail/config-v1.1.xml?emailaddress=alice%40example.com",
            "autoconfig.shop.example.com/mail/config-v1.1.xml",
            "autoconfig.xn--mnchen-3ya.example/mail/config-v1.1.xml",
            "shop.example.com/.well-known/autoconfig/mail/config-v1.1.xml",
            "autoconfig.example.com/.well-known/autoconfig/mail/config-v1.1.xml",
        ],
    )
    def test_finds_what_it_wants(self, url):
        said, text = ask(url)
        assert (said["status"], said["Content-Type"]) == ("200 OK", "application/xml; charset=utf-8")
        root = ElementTree.fromstring(text)
        assert (root.tag, root.attrib) == ("clientConfig", {"version": "1.1"})
        (provider,) = root
        domain = url.lower().partition("/")[0].removesuffix(":443").removeprefix("autoconfig.")
        assert (provider.tag, provider.get("id"), provider.findtext("domain")) == ("emailProvider", domain, domain)
        wanted = ["hostname", "port", "socketType", "authentication", "username"]
        servers = [one for one in provider if one.tag.endswith("Server")]
        assert [[below.tag for below in one] for one in servers] == [wanted] * len(servers)
        assert [[one.tag, one.get("type"), *(below.text for below in one)] for one in servers] == [
            [kind, name, "mx1.example.com", port, socket, "password-cleartext", "%EMAILADDRESS%"]
            for kind, name, port, socket in (
                ("incomingServer", "imap", "993", "SSL"),
                ("outgoingServer", "smtp", "465", "SSL"),
                ("outgoingServer", "smtp", "587", "STARTTLS"),
            )
        ]

    def test_is_told_of_no_closed_door_and_of_cram(self):
        site = SITE._replace(listeners=["imap", "pop3s", "submission"], methods=["CRAM-MD5"])
        root = ElementTree.fromstring(ask("autoconfig.example.com/mail/config-v1.1.xml", site=site)[1])
        assert [
            (one.get("type"), one.findtext("port"), one.findtext("socketType"), one.findtext("authentication"))
            for one in root[0]
            if one.tag.endswith("Server")
        ] == [
            ("imap", "143", "STARTTLS", "password-cleartext"),
            ("pop3", "995", "SSL", "password-cleartext"),
            ("smtp", "587", "STARTTLS", "password-encrypted"),
        ]


class TestOutlook:
    """MS-OXDSCLI 2.2.4"""

    @pytest.mark.parametrize(
        "url",
        [
            "autodiscover.example.com/autodiscover/autodiscover.xml",
            "autodiscover.example.com/Autodiscover/Autodiscover.xml",
            "autodiscover.example.com/AutoDiscover/AutoDiscover.xml",
            "mx1.example.com/autodiscover/autodiscover.xml",
            "shop.example.com/autodiscover/autodiscover.xml",
        ],
    )
    def test_gets_the_settings_of_the_address(self, url):
        root = post("Alice+x@SHOP.example.com", url)
        assert root.tag == f"{AUTODISCOVER}Autodiscover"
        account = root.find(f"{OUTLOOK}Response/{OUTLOOK}Account")
        assert [account.findtext(f"{OUTLOOK}{tag}") for tag in ("AccountType", "Action")] == ["email", "settings"]
        tags = ("Type", "Server", "Port", "LoginName", "SSL", "Encryption", "AuthRequired", "SPA", "DomainRequired")
        assert [[one.findtext(OUTLOOK + tag) for tag in tags] for one in account.iter(f"{OUTLOOK}Protocol")] == [
            ["IMAP", "mx1.example.com", "993", "Alice+x@shop.example.com", "on", "SSL", "on", "off", "off"],
            ["SMTP", "mx1.example.com", "465", "Alice+x@shop.example.com", "on", "SSL", "on", "off", "off"],
        ]

    def test_writes_the_address_as_text(self):
        root = post("&lt;SSL&gt;&amp;@example.com")
        assert root.findtext(f".//{AUTODISCOVER}ErrorCode") == "500"
        root = post("o'hara&amp;co@example.com")
        assert root.findtext(f".//{OUTLOOK}LoginName") == "o'hara&co@example.com"

    @pytest.mark.parametrize(
        "address",
        ["", "alice", "alice@example.net", "@example.com", "a b@example.com", "a@b@example.com", "a@" + "ü" * 80],
    )
    def test_hears_that_an_address_is_none_of_ours(self, address):
        root = post(address)
        assert root.findtext(f".//{AUTODISCOVER}ErrorCode") == "500"
        assert root.find(f".//{OUTLOOK}Account") is None

    def test_hears_that_another_schema_is_not_spoken(self):
        asked = ASK.format("alice@example.com").replace("outlook/responseschema/2006a", "mobilesync/response")
        text = ask("autodiscover.example.com/autodiscover/autodiscover.xml", "POST", asked)[1]
        assert ElementTree.fromstring(text).findtext(f".//{AUTODISCOVER}ErrorCode") == "601"

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "address=alice@example.com",
            "<a",
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
            "<!DOCTYPE x><x/>",
            '<?xml version="1.0" encoding="no-such"?><x/>',
        ],
        ids=["nothing", "a form", "half", "a file", "a bomb", "a document type", "an encoding"],
    )
    def test_what_is_no_question_is_refused(self, body):
        said, text = ask("autodiscover.example.com/autodiscover/autodiscover.xml", "POST", body)
        assert said["status"] == "400 Bad Request"
        assert b"root" not in text

    def test_too_much_is_not_read(self):
        said, _text = ask("autodiscover.example.com/autodiscover/autodiscover.xml", "POST", "x" * 16385)
        assert said["status"] == "413 Content Too Large"

    def test_a_get_is_told_to_post(self):
        said, _text = ask("autodiscover.example.com/autodiscover/autodiscover.xml")
        assert (said["status"], said["Allow"]) == ("405 Method Not Allowed", "POST")


class TestApple:
    def profile(self, query, site=SITE):
        said, text = ask(f"autoconfig.example.com/apple.mobileconfig?{query}", site=site)
        assert said["status"] == "200 OK", text
        assert said["Content-Type"] == "application/x-apple-aspen-config"
        return plistlib.loads(text)

    def test_gets_a_profile(self):
        profile = self.profile("email=alice%40example.com")
        assert (profile["PayloadType"], profile["PayloadVersion"]) == ("Configuration", 1)
        (account,) = profile["PayloadContent"]
        assert account["PayloadType"] == "com.apple.mail.managed"
        assert account["EmailAccountType"] == "EmailTypeIMAP"
        assert account["EmailAddress"] == "alice@example.com"
        assert account["OutgoingMailServerPortNumber"] == 465
        for way, port in (("Incoming", 993), ("Outgoing", 465)):
            assert account[f"{way}MailServerHostName"] == "mx1.example.com"
            assert account[f"{way}MailServerPortNumber"] == port
            assert account[f"{way}MailServerUseSSL"] is True
            assert account[f"{way}MailServerUsername"] == "alice@example.com"
            assert account[f"{way}MailServerAuthentication"] == "EmailAuthPassword"
        assert uuid.UUID(profile["PayloadUUID"]) != uuid.UUID(account["PayloadUUID"])

    def test_is_the_same_for_an_address_and_another_for_another(self):
        assert self.profile("email=alice%40example.com") == self.profile("email=alice@EXAMPLE.com")
        other = self.profile("email=bob%40example.com")
        assert other["PayloadUUID"] != self.profile("email=alice@example.com")["PayloadUUID"]

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "email=",
            "email=alice",
            "email=alice%40example.net",
            "email=alice%40example.com&email=bob%40example.com",
            "email=%3Cx%3E%40example.com",
            "email=a%0d%0ab%40example.com",
            "email=a%00%40example.com",
            "email=%ff%40example.com",
            "email=" + "a" * 65 + "%40example.com",
            "a=1&b=2&c=3&d=4&email=a%40example.com",
        ],
    )
    def test_a_bad_address_is_refused(self, query):
        said, text = ask(f"autoconfig.example.com/apple.mobileconfig?{query}")
        assert said["status"] == "400 Bad Request"
        assert b"<" not in text

    def test_an_address_stays_text(self):
        (account,) = self.profile("email=o%27hara%26co%40example.com")["PayloadContent"]
        assert account["EmailAddress"] == "o'hara&co@example.com"


def test_other_servers_get_the_policy():
    said, text = ask("mta-sts.example.com/.well-known/mta-sts.txt")
    assert (said["status"], said["Content-Type"], text.decode()) == ("200 OK", "text/plain", POLICY)
    assert ask("mta-sts.shop.example.com/.well-known/mta-sts.txt")[0]["status"] == "404 Not Found"


@pytest.mark.parametrize(
    "url",
    [
        "autoconfig.example.com/mail/",
        "autoconfig.example.com/mail/../mail/config-v1.1.xml",
        "autoconfig.example.com/etc/passwd",
        "autoconfig.example.net/mail/config-v1.1.xml",
        "mta-sts.example.com/mail/config-v1.1.xml",
        "autoconfig.example.com/.well-known/mta-sts.txt",
        "example.com/.well-known/autoconfig/mail/config-v1.1.xml",
        "mx1.example.com/mail/config-v1.1.xml",
        "/mail/config-v1.1.xml",
    ],
)
def test_there_is_nothing_else(url):
    said, text = ask(url)
    assert said["status"] == "404 Not Found"
    assert said["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"example" not in text


def test_people_find_a_page():
    said, text = ask("autoconfig.example.com/")
    assert said["Content-Security-Policy"].endswith("form-action 'self'")
    assert b"<td>mx1.example.com<td>993<td>SSL" in text
    assert b"Mail of example.com" in text


def test_head_has_no_text():
    said, text = ask("autoconfig.example.com/mail/config-v1.1.xml", "HEAD")
    assert said["status"] == "200 OK"
    assert int(said["Content-Length"]) > 0
    assert text == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(method):
    assert ask("autoconfig.example.com/mail/config-v1.1.xml", method)[0]["status"] == "405 Method Not Allowed"
