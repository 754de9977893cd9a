from __future__ import annotations

import http.client
import socket
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils._certbot import (
    CertbotError,
    Order,
    answering,
    command,
    complaint,
    needs_reload,
    reasons,
    refuse_hopeless,
    settings,
    units,
)
from plugins.module_utils._pem import Certificate

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DIRECTORY = "https://acme.example.net/directory"
ORDER = Order(
    "courier-mail", ["mx.example.org"], "alice@example.org", DIRECTORY, "standalone", None, "ecdsa", "/usr/local/lib/x"
)
WEBROOT = ORDER._replace(challenge="webroot", webroot="/var/www/html")
# As certbot 2.1 and 4.0 write it.
REMEMBERED = f"""\
# renew_before_expiry = 30 days
version = 4.0.0
cert = /etc/letsencrypt/live/courier-mail/cert.pem

# Options used in the renewal process
[renewalparams]
account = 030e838556be1910f344ba15ef548c5a
key_type = ecdsa
renew_hook = /usr/local/lib/x
server = {DIRECTORY}
authenticator = webroot
webroot_path = "/var/www/html,"
[[webroot_map]]
mx.example.org = /var/www/html
"""
STANDALONE = settings(REMEMBERED.replace("webroot\n", "standalone\n"))

HOPELESS: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"contact": ""}, "write a mail address as mail_contact or certificates_acme_contact"),
    "a contact that is no address": ({"contact": "alice"}, "contact is 'alice'"),
    "two contacts": ({"contact": "a@example.org,b@example.org"}, "contact is 'a@example.org,b@example.org'"),
    "no names": ({"names": []}, "a certificate needs names"),
    "a wildcard": ({"names": ["*.example.org"]}, r"\*\.example\.org: who answers on port 80 proves single hosts only"),
    "a name without a domain": ({"names": ["mx"]}, "mx is not a full host name"),
    "an address": ({"names": ["192.0.2.1"]}, "192.0.2.1 is not a full host name"),
    "a directory in clear": ({"server": "http://acme.example.net/d"}, "server 'http://acme.example.net/d' is not"),
    "a directory without a path": ({"server": "https://acme.example.net"}, "server 'https://acme.example.net' is not"),
    "webroot without a directory": (
        {"challenge": "webroot", "webroot": ""},
        "certificates_acme_webroot, such as /var/",
    ),
    "a directory for nobody": ({"webroot": "/var/www/html"}, "remove certificates_acme_webroot"),
    "a comma": ({"challenge": "webroot", "webroot": "/srv/a,b"}, "would not survive certbot's files"),
}


@pytest.mark.parametrize("order", [ORDER, WEBROOT, ORDER._replace(names=["MX.example.org", "imap.example.org"])])
def test_takes(order: Order) -> None:
    refuse_hopeless(order)


@pytest.mark.parametrize(("change", "sentence"), HOPELESS.values(), ids=HOPELESS)
def test_refuses(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CertbotError, match=sentence):
        refuse_hopeless(ORDER._replace(**change))


def test_keeps_the_key_where_dns_says_which_it_is() -> None:
    kept = ORDER._replace(reuse_key=True)
    assert "--reuse-key" in command(kept, {})
    assert "--reuse-key" not in command(ORDER, {})
    # certbot would refuse another kind of key where it uses the old one again.
    assert "--new-key" not in command(kept, {"key_type": kept.key_type})
    assert "--new-key" in command(kept, {"key_type": {"rsa": "ecdsa"}.get(kept.key_type, "rsa")})
    assert kept.settings["reuse_key"] == "True"
    assert "reuse_key" not in ORDER.settings


def test_asks_for_all_names_at_once() -> None:
    asked = command(WEBROOT._replace(names=["MX.example.org", "imap.example.org"]), {})
    assert asked[:2] == ["certbot", "certonly"]
    assert asked[-4:] == ["--domain", "mx.example.org", "--domain", "imap.example.org"]
    assert "--webroot --webroot-path /var/www/html" in " ".join(asked)
    assert "--standalone" in command(ORDER, {})
    assert "--webroot-path" not in command(ORDER, {})


def leaf(days: int = 60, of: int = 90, names: tuple[str, ...] = ("mx.example.org",)) -> Certificate:
    end = NOW + timedelta(days=days)
    return Certificate("", "CN=issuer", end - timedelta(days=of), end, "01", "AA", names, "key")


def test_reads_what_certbot_remembers() -> None:
    assert {name: settings(REMEMBERED)[name] for name in WEBROOT.settings} == WEBROOT.settings
    assert settings("") == {}


WANTING: dict[str, tuple[Order, dict[str, str], Certificate | None, list[str]]] = {
    "nothing": (ORDER, STANDALONE, leaf(), []),
    "nothing, by webroot": (WEBROOT, settings(REMEMBERED), leaf(), []),
    "nothing, in capitals": (ORDER._replace(names=["MX.Example.org"]), STANDALONE, leaf(), []),
    "a certificate": (ORDER, STANDALONE, None, ["there is none"]),
    "what certbot forgot": (
        ORDER,
        {},
        leaf(),
        [f"{name} is not said and not {value}" for name, value in ORDER.settings.items()],
    ),
    "another key": (ORDER._replace(key_type="rsa"), STANDALONE, leaf(), ["key_type is ecdsa and not rsa"]),
    "another challenge": (ORDER, settings(REMEMBERED), leaf(), ["authenticator is webroot and not standalone"]),
    "another directory": (
        WEBROOT._replace(webroot="/srv"),
        settings(REMEMBERED),
        leaf(),
        ["webroot_path is /var/www/html, and not /srv,"],
    ),
    "another name": (
        ORDER._replace(names=["mx.example.org", "imap.example.org"]),
        STANDALONE,
        leaf(),
        ["it is for mx.example.org"],
    ),
    "a name less": (
        ORDER,
        STANDALONE,
        leaf(names=("mx.example.org", "imap.example.org")),
        ["it is for mx.example.org, imap.example.org"],
    ),
    "nothing, as the timer will renew it": (ORDER, STANDALONE, leaf(days=23), []),
    "what the timer did not renew": (ORDER, STANDALONE, leaf(days=22), ["it ends on 2026-06-23 00:00 UTC"]),
    "nothing, of a short life": (ORDER, STANDALONE, leaf(days=2, of=6), []),
}


@pytest.mark.parametrize(("order", "found", "certificate", "said"), WANTING.values(), ids=WANTING)
def test_wants(order: Order, found: dict[str, str], certificate: Certificate | None, said: list[str]) -> None:
    assert reasons(order, found, certificate, NOW) == said


COMPLAINTS = {
    "what the authority found": (
        "Saving debug log to /var/log/letsencrypt/letsencrypt.log\n"
        "Renewing an existing certificate for mx.example.org\n\n"
        "Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported:\n"
        "  Domain: mx.example.org\n  Type:   connection\n  Detail: connection refused\n\n"
        "Hint: The Certificate Authority failed to download the files.\n\nSome challenges have failed.\n"
        "Ask for help or search for solutions at https://community.example.org.\n",
        "Domain: mx.example.org; Type: connection; Detail: connection refused",
    ),
    "nothing": ("\n", "it does not say why; see /var/log/letsencrypt/letsencrypt.log"),
}


@pytest.mark.parametrize(("said", "sentence"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_a_complaint_is(said: str, sentence: str) -> None:
    assert complaint(said) == sentence


def test_units_keep_what_systemd_would_replace() -> None:
    report, drop_in = units("/usr/local/lib/x 50%$@example.org").values()
    assert "ExecStart=/usr/local/lib/x 50%%$$@example.org\n" in report
    assert drop_in == "[Unit]\nOnFailure=courier-certificate-report.service\n"


@pytest.mark.parametrize(("shown", "needed"), [("NeedDaemonReload=no\n\nNeedDaemonReload=yes\n", True), ("", False)])
def test_systemd_is_asked_to_read_again(shown: str, needed: bool) -> None:
    assert needs_reload(shown) is needed


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_authority_is_shown_what_certbot_left_and_nothing_else(tmp_path: Path, host: str) -> None:
    token = tmp_path / ".well-known/acme-challenge/a-Token_1"
    token.parent.mkdir(parents=True)
    token.write_text("an answer")
    (tmp_path / "secret").write_text("x")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with answering(str(tmp_path), port):

        def status(path: str) -> int:
            connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=10)
            connection.request("GET", path)
            return connection.getresponse().status

        with urllib.request.urlopen(f"http://{host}:{port}/.well-known/acme-challenge/a-Token_1") as answer:
            assert answer.read() == b"an answer"
        nothing = ["/", "/secret", "/.well-known/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/none"]
        nothing += ["/.well-known/acme-challenge/../../secret", "/.well-known/acme-challenge/%2e%2e%2f%2e%2e%2fsecret"]
        assert {path: status(path) for path in nothing} == dict.fromkeys(nothing, 404)
    with pytest.raises(ConnectionRefusedError):
        status("/")
