# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell mail programs how to set themselves up. nginx asks, over a socket that systemd opened.

Thunderbird and those that do as it does read /mail/config-v1.1.xml; Outlook posts an address to
/autodiscover/autodiscover.xml (MS-OXDSCLI 2.2, plain old XML); Apple takes a profile (com.apple.mail.managed). Other
servers read the policy of MTA-STS (RFC 8461, 3.2). It knows domains and servers, and no accounts: nobody learns here
who has a mailbox.
"""

from __future__ import annotations

import html
import json
import plistlib
import re
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from xml.etree import ElementTree

CONFIGURATION = "/etc/courier-autoconfig.json"
MOST = 16384  # bytes of a request; Outlook's has some 350
FIRST_SOCKET = 3  # of those that systemd hands over

_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_AUTODISCOVER = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\\\]\x00-\x20\x7f]{1,64}")
_XML, _TEXT = "application/xml; charset=utf-8", "text/plain; charset=utf-8"
# The page has nothing but a form.
_NOTHING = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_FORM = f"{_NOTHING}; form-action 'self'"

_THUNDERBIRD = {"tls": "SSL", "starttls": "STARTTLS"}
_THUNDERBIRD_LOGIN = {"password": "password-cleartext", "cram-md5": "password-encrypted"}
_APPLE = {"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}
_APPLE_LOGIN = {"password": "EmailAuthPassword", "cram-md5": "EmailAuthCRAMMD5"}


class Server(NamedTuple):
    """A door of the mail server."""

    type: str  # imap, pop3, smtp
    host: str
    port: int
    security: str  # tls or starttls
    login: str  # password or cram-md5


class Settings(NamedTuple):
    """What the file says."""

    host: str  # our own name
    domains: Sequence[str]
    servers: Sequence[Server]  # the preferred first
    policies: Mapping[str, str]  # of MTA-STS, by domain
    apexes: Sequence[str] = ()  # domains that lead here under their own name

    def first(self, *types: str) -> Server | None:
        return next((one for one in self.servers if one.type in types), None)


class Answer(NamedTuple):
    """What is said over HTTP."""

    status: str
    text: bytes = b""
    type: str = _TEXT
    headers: Sequence[tuple[str, str]] = ()


class Bad(Exception):
    """An address that nobody has here, and why."""


def read(text: str) -> Settings:
    said = json.loads(text)
    return Settings(**said | {"servers": [Server(**one) for one in said["servers"]]})


def application(settings: Settings) -> Callable[..., Iterable[bytes]]:
    """What WSGI calls for each request."""

    def answer(environ: Mapping[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        said = respond(settings, environ)
        headers = [("Content-Type", said.type), ("Content-Length", str(len(said.text))), ("Cache-Control", "no-store")]
        given = {name for name, _value in said.headers}
        if "Content-Security-Policy" not in given:
            headers.append(("Content-Security-Policy", _NOTHING))
        start(said.status, [*headers, *said.headers])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else said.text]

    return answer


def respond(settings: Settings, environ: Mapping[str, Any]) -> Answer:
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    host = environ.get("HTTP_HOST", "").partition(":")[0].lower().rstrip(".")
    what, domain = _whose(settings, host)
    # Outlook writes it in several ways.
    if path.lower() == "/autodiscover/autodiscover.xml" and what in ("autodiscover", "host", "apex"):
        if method != "POST":
            return _refused("405 Method Not Allowed", "POST the address to this place", ("Allow", "POST"))
        return _autodiscover(settings, environ)
    pages: dict[tuple[str, str], Callable[[], Answer]] = {
        ("mta-sts", "/.well-known/mta-sts.txt"): lambda: _policy(settings, domain),
        ("autoconfig", "/mail/config-v1.1.xml"): lambda: _thunderbird(settings, domain),
        ("autoconfig", "/.well-known/autoconfig/mail/config-v1.1.xml"): lambda: _thunderbird(settings, domain),
        ("apex", "/.well-known/autoconfig/mail/config-v1.1.xml"): lambda: _thunderbird(settings, domain),
        ("autoconfig", "/apple.mobileconfig"): lambda: _apple(settings, environ.get("QUERY_STRING", "")),
        ("autoconfig", "/"): lambda: _page(settings, domain),
        ("host", "/"): lambda: _page(settings, settings.domains[0]),
        ("host", "/apple.mobileconfig"): lambda: _apple(settings, environ.get("QUERY_STRING", "")),
    }
    page = pages.get((what, path))
    if not page:
        return _refused("404 Not Found", "There is nothing here")
    if method not in ("GET", "HEAD"):
        return _refused("405 Method Not Allowed", "This can be read", ("Allow", "GET, HEAD"))
    return page()


def _whose(settings: Settings, host: str) -> tuple[str, str]:
    """What a name of ours is for, and its domain."""
    if host == settings.host:
        return "host", ""
    if host in settings.apexes:
        return "apex", host
    what, _dot, domain = host.partition(".")
    return (what, domain) if domain in settings.domains else ("", "")


def _refused(status: str, said: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, f"{said}.\n".encode(), _TEXT, headers)


def _address(settings: Settings, given: str) -> tuple[str, str]:
    """An address of a domain of ours, and the domain. Raises Bad."""
    local, _at, domain = given.strip().rpartition("@")
    try:
        # As browsers and Outlook may have it.
        name = domain.lower() if domain.isascii() else domain.lower().encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if name not in settings.domains or not _LOCAL.fullmatch(local):
        raise Bad("That is no address of a domain that has its mail here")
    return f"{local}@{name}", name


def _policy(settings: Settings, domain: str) -> Answer:
    text = settings.policies.get(domain)
    return Answer("200 OK", text.encode(), "text/plain") if text else _refused("404 Not Found", "There is no policy")


def _thunderbird(settings: Settings, domain: str) -> Answer:
    root = ElementTree.Element("clientConfig", version="1.1")
    provider = _under(root, "emailProvider", id=domain)
    for tag in ("domain", "displayName", "displayShortName"):
        _under(provider, tag, domain)
    for server in settings.servers:
        kind = "outgoingServer" if server.type == "smtp" else "incomingServer"
        one = _under(provider, kind, type=server.type)
        _under(one, "hostname", server.host)
        _under(one, "port", str(server.port))
        _under(one, "socketType", _THUNDERBIRD[server.security])
        _under(one, "authentication", _THUNDERBIRD_LOGIN[server.login])
        _under(one, "username", "%EMAILADDRESS%")
    return Answer("200 OK", _written(root), _XML)


def _autodiscover(settings: Settings, environ: Mapping[str, Any]) -> Answer:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > MOST:
        return _refused("413 Content Too Large", "An address is shorter")
    # Debian's; entities and document types could have us read files, or fill the memory.
    from defusedxml import DefusedXmlException  # noqa: PLC0415 -- only here
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        asked = fromstring(environ["wsgi.input"].read(int(length)), forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        return _refused("400 Bad Request", "That is not what Outlook sends")
    schema = asked.findtext(".//{*}AcceptableResponseSchema")
    if schema is not None and schema.strip() != _OUTLOOK:
        return _no_settings("601", "The requested schema version is not supported")
    try:
        address, _domain = _address(settings, asked.findtext(".//{*}EMailAddress") or "")
    except Bad as bad:
        return _no_settings("500", str(bad))
    root = ElementTree.Element("Autodiscover", xmlns=_AUTODISCOVER)
    response = _under(root, "Response", xmlns=_OUTLOOK)
    _under(_under(response, "User"), "DisplayName", address)
    account = _under(response, "Account")
    _under(account, "AccountType", "email")
    _under(account, "Action", "settings")
    for server in filter(None, (settings.first("imap"), settings.first("pop3"), settings.first("smtp"))):
        protocol = _under(account, "Protocol")
        for tag, text in (
            ("Type", server.type.upper()),
            ("Server", server.host),
            ("Port", str(server.port)),
            ("DomainRequired", "off"),
            ("LoginName", address),
            ("SPA", "off"),
            # SSL is for a port that begins with it, and Encryption wins for those that know it.
            ("SSL", "on" if server.security == "tls" else "off"),
            ("Encryption", "SSL" if server.security == "tls" else "TLS"),
            ("AuthRequired", "on"),
        ):
            _under(protocol, tag, text)
    return Answer("200 OK", _written(root), _XML)


def _no_settings(code: str, said: str) -> Answer:
    root = ElementTree.Element("Autodiscover", xmlns=_AUTODISCOVER)
    error = _under(_under(root, "Response"), "Error", Time="00:00:00.0000000", Id="0")
    _under(error, "ErrorCode", code)
    _under(error, "Message", said)
    _under(error, "DebugData")
    return Answer("200 OK", _written(root), _XML)


def _apple(settings: Settings, query: str) -> Answer:
    incoming, outgoing = settings.first("imap", "pop3"), settings.first("smtp")
    if not incoming or not outgoing:
        return _refused("404 Not Found", "There is nothing to set up")
    try:
        given = parse_qs(query, strict_parsing=True, max_num_fields=4, errors="strict").get("email", [])
        if len(given) != 1:
            raise Bad("Write ?email= and the address")
        address, domain = _address(settings, given[0])
    except (Bad, ValueError) as bad:
        said = str(bad) if isinstance(bad, Bad) else "Write ?email= and the address"
        return _refused("400 Bad Request", said)

    def own(what: str) -> str:
        """The same for an address each time: a profile takes the place of the one before."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://{settings.host}/{what}/{address}")).upper()

    below = ".".join(reversed(domain.split(".")))
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{below}.mail.{own('account').lower()}",
        "PayloadUUID": own("account"),
        "PayloadDisplayName": address,
        "EmailAccountType": _APPLE[incoming.type],
        "EmailAccountDescription": address,
        "EmailAddress": address,
        "IncomingMailServerAuthentication": _APPLE_LOGIN[incoming.login],
        "IncomingMailServerHostName": incoming.host,
        "IncomingMailServerPortNumber": incoming.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": _APPLE_LOGIN[outgoing.login],
        "OutgoingMailServerHostName": outgoing.host,
        "OutgoingMailServerPortNumber": outgoing.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{below}.mail.{own('profile').lower()}",
        "PayloadUUID": own("profile"),
        "PayloadDisplayName": f"Mail of {address}",
        "PayloadOrganization": domain,
        "PayloadContent": [account],
    }
    text = plistlib.dumps(profile, sort_keys=False)
    named = ("Content-Disposition", f'attachment; filename="{domain}.mobileconfig"')
    return Answer("200 OK", text, "application/x-apple-aspen-config", [named])


def _page(settings: Settings, domain: str) -> Answer:
    rows = "".join(
        f"<tr><td>{one.type.upper()}<td>{html.escape(one.host)}<td>{one.port}<td>{_THUNDERBIRD[one.security]}</tr>\n"
        for one in settings.servers
    )
    text = f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Mail of {html.escape(domain)}</title>
<h1>Mail of {html.escape(domain)}</h1>
<p>Thunderbird, Outlook and many other programs need the address and the password, and find the rest themselves.
<form action="/apple.mobileconfig">
<p>For iPhone, iPad and Mac: <label>address <input type="email" name="email" required></label>
<button>Get the profile</button>
</form>
<p>By hand, with the whole address as user name:
<table>
<tr><th>what<th>server<th>port<th>security</tr>
{rows}</table>
</html>
"""
    return Answer("200 OK", text.encode(), "text/html; charset=utf-8", [("Content-Security-Policy", _FORM)])


def _under(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text or None
    return element


def _written(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def main() -> None:
    import waitress  # noqa: PLC0415 -- hosts have it, and tests need not

    with open(CONFIGURATION, encoding="utf-8") as stream:
        settings = read(stream.read())
    waitress.serve(
        application(settings),
        sockets=[socket.socket(fileno=FIRST_SOCKET)],
        threads=4,
        ident=None,
        max_request_body_size=MOST,
        max_request_header_size=MOST,
    )


if __name__ == "__main__":
    main()
