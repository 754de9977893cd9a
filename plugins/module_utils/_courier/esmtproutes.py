# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's esmtproutes, where mail goes instead of to its MX, esmtpauthclient, the logins there, and esmtptls.

esmtptls is ours: the table of the program of the same name, which shakes hands with each relay as its route says.

The rules are those of courier/module.esmtp/smtproutes.C and libesmtp.C and of rfc1035/rfc1035mxlist.c. Courier reports
no mistake in either file: what it does not understand it leaves out, so everything is refused here instead.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from .domains import DomainError, parse_plain, to_ascii, wildcards
from .terms import NONE, Terms, comment
from .tls import PROFILES, priority

SECURITY = ("required", "smtps")
FAMILY = ("ipv4", "ipv6")
# In the order in which their sections are written: what is special before what is general.
CLASSES = ("special", "broken_starttls", "sms", "safe", "providers", "smarthosts")

SMTP, SUBMISSION, SMTPS = 25, 587, 465

# libesmtp.C reads esmtpauthclient into 256 bytes, of which LF and NUL take two.
LOGIN_BYTES = 254


class RouteError(ValueError):
    """A route that Courier would misread, never reach, or log in over in clear."""


class Route(NamedTuple):
    """One line of esmtproutes, and the login for its relay."""

    domain: str = ""  # of the recipient; "" is every domain, ".example.com" every subdomain
    relay: str = ""  # a host name or [address]; "" asks DNS for the MX
    port: int | None = None  # None is 25, and 465 with smtps
    security: str | None = None  # one of SECURITY; None encrypts when the peer offers it, until that fails once
    family: str | None = None  # one of FAMILY; Courier before 1.4.0 ignores it
    user: str | None = None
    password: str | None = None
    kind: str | None = None  # one of CLASSES
    terms: Terms = NONE
    tls_profile: str | None = None  # one of tls.PROFILES; None is the default of render_tls
    verify: bool | None = None  # the relay's certificate; None where it can be, as canonical() says


def render(routes: Iterable[Route]) -> str:
    """Write esmtproutes in the order given: Courier follows the first route that matches. Raises RouteError."""
    routes = list(routes)
    written = [canonical(route) for route in routes]
    _refuse_unreachable(routes, written)
    return "".join(f"{above}{_line(route)}\n" for above, route in zip(_comments(written), written, strict=True))


def in_sections(routes: Iterable[Route]) -> list[Route]:
    """The routes by their classes, those without one first; within a class they keep their order."""
    places = {kind: place for place, kind in enumerate((None, *CLASSES))}
    return sorted(routes, key=lambda route: places[route.kind])


def render_credentials(routes: Iterable[Route]) -> str:
    """Write esmtpauthclient, a line for each relay with a login. Raises RouteError.

    Courier finds a login by the text that esmtproutes has for the relay, port included. With the port it cannot be
    mistaken for a domain, whose MX would get the login too.
    """
    routes = list(routes)
    numbers: dict[str, int] = {}
    logins: dict[str, tuple[str | None, str | None]] = {}
    for number, (given, route) in enumerate(zip(routes, map(canonical, routes), strict=True)):
        if not route.relay:
            continue
        key, login = target(route), (route.user, route.password)
        first = numbers.setdefault(key, number)
        if logins.setdefault(key, login) != login:
            raise RouteError(
                f"{_entry(number, given)} and {_entry(first, routes[first])} share the relay {key}, and Courier "
                "keeps one login for it; give both the same user and password"
            )
    return "".join(f"{key} {user} {password}\n" for key, (user, password) in logins.items() if user)


def render_tls(routes: Iterable[Route], tls_profile: str = "modern") -> str:
    """Write esmtptls, a line for each relay on a port other than 25. Raises RouteError.

    Without security a relay is met like the world, with what courierd has. The program knows the port that it talks to
    for sure, but has the name from DNS. So all relays on a port are verified, or none: a forged MX could otherwise lead
    a login to a relay whose certificate nobody looks at.
    """
    lines: dict[str, tuple[Route, str]] = {}
    ports: dict[int | None, Route] = {}
    for route in map(canonical, routes):
        if not _has_tls_of_its_own(route):
            continue
        key = target(route)
        line = f"{key} {'verified' if route.verify else 'unverified'}"
        if route.security:
            line += f" {priority(route.tls_profile or tls_profile)}"
        first, text = lines.setdefault(key, (route, line))
        if text != line:
            raise RouteError(
                f"{_name(route)} and {_name(first)} share the relay {key}, which has one TLS; "
                "give both the same security, tls_profile and verify"
            )
        other = ports.setdefault(route.port, route)
        if other.verify != route.verify:
            raise RouteError(
                f"{_name(route)} and {_name(other)} have relays on port {route.port}, and only one has its certificate "
                "verified, so a forged answer of DNS could lead mail or a login for that one to the other; "
                "verify both, or use another port for one"
            )
    return "".join(f"{text}\n" for _route, text in lines.values())


def mask_credentials(text: str) -> str:
    """An esmtpauthclient that may be shown: a line keeps its relay and user, or nothing if it is no login."""
    return re.sub(
        r"^(?:[ \t]*(\S+)[ \t]+(\S+)[ \t]+\S.*|.*\S.*)$",
        lambda line: f"{line[1]} {line[2]} ********" if line[1] else "********",
        text,
        flags=re.MULTILINE,
    )


def parse(text: str) -> list[Route]:
    """Read any esmtproutes as Courier does, without the logins, which are in another file.

    Lines without a colon and flags that Courier does not know are left out. The domain is as it stands, blanks
    included, because Courier does not trim it. A hand-made file may hold security "starttls", which render refuses.
    """
    entries = (line.partition(":") for line in parse_plain(text))
    return [_route(domain, value.strip(string.whitespace)) for domain, colon, value in entries if colon]


def parse_credentials(text: str) -> dict[str, tuple[str, str]]:
    """The logins of any esmtpauthclient, by the text that esmtproutes has for the relay; the first one counts."""
    logins: dict[str, tuple[str, str]] = {}
    for line in text.split("\n"):
        words = line[:LOGIN_BYTES].split()
        if len(words) > 2:
            logins.setdefault(words[0], (words[1], words[2]))
    return logins


def with_login(route: Route, logins: Mapping[str, tuple[str, str]]) -> Route:
    """The route as Courier follows it, with the login that it finds for the relay, if there is one."""
    login = logins.get(target(route))
    return route._replace(user=login[0], password=login[1]) if route.relay and login else route


def canonical(route: Route) -> Route:
    """The route as it is written: lower-case A-labels, short addresses, ports where they count. Raises RouteError."""
    name = _name(route)
    security = _security(name, route.security)
    if route.family not in (None, *FAMILY):
        raise RouteError(f"{name}: family {route.family!r} is unknown; write ipv4 or ipv6, or leave family out")
    try:
        domain = to_ascii(route.domain) if route.domain else ""
    except DomainError as error:
        raise RouteError(f"a route's domain {error}") from error
    try:
        relay = _relay(route.relay)
    except RouteError as error:
        raise RouteError(f"{name}: {error}") from error
    if relay.startswith("[") and route.family and (":" in relay) != (route.family == "ipv6"):
        raise RouteError(f"{name}: {relay} cannot be reached with family {route.family}; leave family out")
    user, password = route.user or None, route.password or None
    submitted = bool(user) or route.kind == "smarthosts"
    port = _port(name, relay, route.port, security, submitted=submitted)
    written = route._replace(domain=domain, relay=relay, port=port, security=security, user=user, password=password)
    if user or password:
        _check_login(name, written)
    if route.kind:
        _check_class(name, written)
    return written._replace(verify=_verify(name, written))


def _security(name: str, security: str | None) -> str | None:
    if security in (None, *SECURITY):
        return security
    instead = "write required or smtps, or leave security out"
    if security == "none":
        raise RouteError(f"{name}: there is no SECURITY=NONE since Courier 0.71, it would be ignored; {instead}")
    if security == "starttls":
        raise RouteError(
            f"{name}: SECURITY=STARTTLS is a private extension between Courier servers that others refuse; "
            "write required, which insists on STARTTLS"
        )
    raise RouteError(f"{name}: security {security!r} is unknown; {instead}")


@lru_cache  # thousands of routes share few relays
def _relay(relay: str) -> str:
    inner = relay.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(inner)
    except ValueError:
        return _host(relay) if relay else ""
    if relay != f"[{inner}]":
        raise RouteError(f"relay {relay!r} is an address without brackets; write [{address}]")
    if "%" in inner:
        raise RouteError(f"relay {relay!r} has a scope, which Courier does not take; leave out what follows the %")
    return f"[{address}]"


def _host(relay: str) -> str:
    if re.search(r"[,:][0-9]+$", relay):
        raise RouteError(f"relay {relay!r} holds a port; write it as port")
    if relay.startswith("."):
        raise RouteError(f"relay {relay!r} is a wildcard; name one host")
    try:
        return to_ascii(relay)
    except DomainError as error:
        raise RouteError(f"relay {error}") from error


def _port(name: str, relay: str, port: int | None, security: str | None, *, submitted: bool) -> int | None:
    if not relay:
        if port is not None:
            raise RouteError(f"{name}: Courier takes a port only after a relay; name the relay, or leave port out")
        if security == "smtps":
            raise RouteError(f"{name}: smtps to the MX would be TLS on port 25; name a relay, or write required")
        return None
    if port is None:
        return SMTPS if security == "smtps" else SUBMISSION if submitted else None
    if not 1 <= port <= 65535:
        raise RouteError(f"{name}: port {port} does not exist; write 1 to 65535")
    if port == SMTP and security == "smtps":
        raise RouteError(f"{name}: port 25 does not begin with TLS; write required, or leave port out for 465")
    if port == SMTPS and security != "smtps":
        raise RouteError(f"{name}: port 465 begins with TLS; write security smtps")
    return port


def _verify(name: str, route: Route) -> bool:
    """Whether the relay's certificate is verified: it is where it can be, and nobody said otherwise."""
    own_tls = _has_tls_of_its_own(route)
    possible = own_tls and bool(route.security) and not route.relay.startswith("[")
    if route.tls_profile and route.tls_profile not in PROFILES:
        raise RouteError(f"{name}: TLS profile {route.tls_profile!r} is unknown; write one of {', '.join(PROFILES)}")
    if (route.tls_profile or route.verify) and not own_tls:
        raise RouteError(
            f"{name}: on port 25 Courier does not know relays from the rest of the world, and meets all alike; "
            f"give the relay port {SUBMISSION} or {SMTPS}, or leave tls_profile and verify out"
        )
    if (route.tls_profile or route.verify) and not route.security:
        raise RouteError(f"{name}: without security TLS may fail and be left out; write security required or smtps")
    if route.verify and not possible:
        raise RouteError(f"{name}: a certificate is for a name, and {route.relay} is none; name the relay")
    if route.kind == "smarthosts" and route.verify is None and not possible:
        raise RouteError(
            f"{name}: a smarthost's certificate is verified; "
            f"name the relay, with security required on port {SUBMISSION} or smtps, or write verify false"
        )
    return possible if route.verify is None else route.verify


def _has_tls_of_its_own(route: Route) -> bool:
    return bool(route.relay) and route.port not in (None, SMTP)


def _check_login(name: str, route: Route) -> None:
    if not (route.user and route.password):
        raise RouteError(f"{name}: a login is a user and a password; write both, or leave both out")
    if not route.security:
        raise RouteError(
            f"{name}: one failed handshake would send the login in clear; write security required or smtps"
        )
    if not _has_tls_of_its_own(route) or route.relay.startswith("[") or route.verify is False:
        raise RouteError(
            f"{name}: a login goes only to a relay whose certificate is verified; "
            f"name the relay, on port {SUBMISSION} or {SMTPS}, and leave verify out"
        )
    for part, text in (("user", route.user), ("password", route.password)):
        if text.split() != [text] or not text.isprintable():
            raise RouteError(f"{name}: the {part} holds a blank or a control character, which Courier cannot read")
    if len(f"{target(route)} {route.user} {route.password}".encode()) > LOGIN_BYTES:
        raise RouteError(
            f"{name}: relay, user and password are longer than {LOGIN_BYTES} bytes, where Courier cuts off"
        )


def _check_class(name: str, route: Route) -> None:
    has_login = bool(route.user)
    mistake = {
        "providers": not has_login and "a provider wants a login; write user and password, or make it a smarthost",
        "smarthosts": not (route.relay and route.security)
        and "a smarthost is a relay over TLS; write relay and security required or smtps",
        "safe": (has_login or not route.relay)
        and "a safe route is a relay that knows us by our address; write relay, and neither user nor password",
        "sms": not (route.domain and route.relay) and "an SMS gateway takes one domain; write domain and relay",
        "broken_starttls": bool(not route.domain or route.relay or route.security)
        and "a server whose STARTTLS is broken is reached by its MX, in clear after the first failure; "
        "write domain, and neither relay nor security",
    }.get(route.kind or "")
    if mistake:
        raise RouteError(f"{name}: {mistake}")


def _comments(routes: list[Route]) -> Iterator[str]:
    """What is written above each route: the name of a section where it begins, and the terms."""
    section = None
    for route in routes:
        lines = []
        if route.kind and route.kind != section:
            lines.append(f"## {route.kind}")
        section = route.kind
        said = comment(route.terms)
        if said:
            lines.append(f"# {said}")
        yield "".join(f"{line}\n" for line in lines)


def _refuse_unreachable(given: list[Route], written: list[Route]) -> None:
    numbers: dict[str, int] = {}
    for number, route in enumerate(written):
        for covering in ("", route.domain, *wildcards(route.domain)):
            if covering in numbers:
                first = numbers[covering]
                raise RouteError(
                    f"{_entry(number, given[number])} is never reached, because {_entry(first, given[first])} "
                    "matches first; move it up or leave it out"
                )
        numbers[route.domain] = number


def _line(route: Route) -> str:
    # Only what follows the last slash is read as flags, so they share one.
    flags = ",".join(
        filter(
            None,
            (
                route.security and f"SECURITY={route.security.upper()}",
                route.family and f"{route.family.upper()}ONLY",
            ),
        )
    )
    return " ".join(filter(None, (f"{route.domain}:", target(route), flags and f"/{flags}")))


def target(route: Route) -> str:
    """The text of the relay, by which Courier looks for its login."""
    return route.relay if route.port is None else f"{route.relay},{route.port}"


def _route(domain: str, value: str) -> Route:
    place, slash, flags = value.rpartition("/")
    if not slash:
        place, flags = value, ""
    words = set(re.split("[, \r\t\n]", flags.upper()))
    relay, comma, port = place.rstrip(string.whitespace).partition(",")
    return Route(
        domain,
        relay,
        _atoi(port) if comma else None,
        # With several, STARTTLS fails a peer that the others would take, and SMTPS lifts REQUIRED.
        next((name for name in ("starttls", "smtps", "required") if f"SECURITY={name.upper()}" in words), None),
        next((name for name in FAMILY if f"{name.upper()}ONLY" in words), None),
    )


def _atoi(text: str) -> int:
    number = re.match(r"\s*([+-]?[0-9]{1,18})", text)
    return int(number[1]) if number else 0


def _entry(number: int, route: Route) -> str:
    return f"route {number + 1} ({_name(route)})"


def _name(route: Route) -> str:
    return route.domain or "the catch-all"
