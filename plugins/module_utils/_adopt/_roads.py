# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes, the logins for their relays, and hosts that are known by their addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._courier import esmtproutes, peers, smtpaccess
from .._courier.domains import parse_plain
from .._courier.esmtproutes import Route, RouteError
from .._courier.peers import Peer
from .._courier.smtpaccess import Access, AccessError
from .._courier.terms import Terms
from ._host import COURIER, Host
from ._plan import Adopted, Said, acceptable, place

_ROUTES = f"{COURIER}/esmtproutes"
_LOGINS = f"{COURIER}/esmtpauthclient"
# By the words of a heading or a comment, the class that somebody had in mind. The first that fits counts.
_WORDS = (
    ("broken_starttls", re.compile(r"broken\s+starttls|starttls\s+(?:is\s+)?broken", re.IGNORECASE)),
    ("sms", re.compile(r"\bsms\b", re.IGNORECASE)),
    ("safe", re.compile(r"safe|whitelist", re.IGNORECASE)),
    ("smarthosts", re.compile(r"smart\s?hosts?", re.IGNORECASE)),
    ("providers", re.compile(r"provider", re.IGNORECASE)),
)
_NAME = re.compile(r"\b((?:[a-z0-9-]+\.){2,}[a-z]{2,})\b", re.IGNORECASE)
_LOOPBACK = ("127.0.0.1", "::1", "127.25.0.0/16")
_PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_REASONS = {
    "dnsbl": "is on lists in DNS",
    "helo": "calls itself by a wrong name",
    "sender_domain": "sends as domains that DNS does not have",
    "spf": "passes on mail of others",
    "spf_from": "passes on mail of others",
    "spf_helo": "calls itself by a wrong name",
}


class _Line(NamedTuple):
    """A route, where it was, and what stood above it."""

    route: Route
    source: str
    above: str  # right above it, without an empty line between
    heading: str  # the last comment of all
    found: Route  # as it was


def take_routes(host: Host, adopted: Adopted) -> None:
    """mail_routes, class by class, in an order in which the same route is followed."""
    logins = esmtproutes.parse_credentials(host.text("esmtpauthclient") or "")
    lines = [_classified(line, adopted) for line in _route_lines(host.text("esmtproutes") or "", logins)]
    found = _ordered([line for line in lines if line])

    def check(some: list[_Line]) -> object:
        routes = esmtproutes.in_sections(line.route for line in some)
        return esmtproutes.render(routes), esmtproutes.render_credentials(routes), esmtproutes.render_tls(routes)

    kept, refused = acceptable(found, check)
    for line, said in refused:
        adopted.note("left", line.source, said, "write the route into mail_routes as it can be")
        adopted.explain_names(_ROUTES, f"left out: {said}", line.route.domain)
    for line in kept:
        if said_of(esmtproutes.canonical(line.route)) != said_of(line.found):
            adopted.explain_names(
                _ROUTES, "it is said how the relay is met, and how mail is encrypted", line.route.domain
            )
        adopted.add("mail_routes", _route(line, adopted), line.source, under=line.route.kind or "special")
    used = {esmtproutes.target(line.route) for line in kept}
    for relay in logins:
        if relay not in used and not any(esmtproutes.target(line.route) == relay for line in found):
            adopted.note("left", place(_LOGINS, 1), f"no route leads to {relay}, for which there is a login")
    adopted.before["routes"] = {one.domain: said_of(one) for one in esmtproutes.parse(host.text("esmtproutes") or "")}
    adopted.explain_all(f"{COURIER}/esmtptls", "the TLS of each relay, for the program that knows it")
    adopted.explain_all(_LOGINS, "a login belongs to a relay and its port")


def said_of(route: Route) -> str:
    """A route as it is compared."""
    flags = ",".join(filter(None, (route.security, route.family)))
    return f"{esmtproutes.target(route)} {flags}".strip()


def _route_lines(text: str, logins: Mapping[str, tuple[str, str]]) -> Iterator[_Line]:
    heading, above = "", ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            heading = above = line.strip("# \t")
            continue
        for one in parse_plain(line):
            for route in esmtproutes.parse(one):
                yield _Line(esmtproutes.with_login(route, logins), place(_ROUTES, number), above, heading, route)
        above = ""


def _classified(line: _Line, adopted: Adopted) -> _Line | None:
    """The route with what it takes to be one of ours, and the class that it has by what it does."""
    words = _class_in(line.above) or _class_in(line.heading)
    reason = None if _class_in(line.above) else line.above or None
    route = line.route._replace(domain=line.route.domain.strip().lower(), terms=Terms(reason))
    if route.security == "starttls":
        adopted.note("guess", line.source, "SECURITY=STARTTLS is refused by others than Courier; required is taken")
        route = route._replace(security="required")
    if not route.domain and not route.relay:
        adopted.note("left", line.source, "a route for every domain to its own MX says nothing")
        return None
    if route.user:
        route = _with_tls(route, line, adopted)
        kind = "smarthosts" if words == "smarthosts" or not route.domain else "providers"
    elif not route.relay:
        kind = "broken_starttls" if words == "broken_starttls" and not route.security else "special"
    elif words == "sms" and route.domain:
        kind = "sms"
    elif words == "safe":
        kind = "safe"
    elif (words == "smarthosts" or not route.domain) and route.security:
        kind = "smarthosts"
    else:
        kind = "special"
    if words and words != kind:
        adopted.note(
            "guess", line.source, f"it stands below {line.above or line.heading!r}, and is taken for one of {kind}"
        )
    return line._replace(route=_verified(route._replace(kind=kind), line, adopted))


def _class_in(text: str) -> str | None:
    return next((kind for kind, pattern in _WORDS if pattern.search(text)), None)


def _with_tls(route: Route, line: _Line, adopted: Adopted) -> Route:
    """A login does not go out in clear."""
    port = route.port or 587
    if port == 25:
        port = 587
    if route.security and (route.port or 0) not in (0, 25):
        return route
    security = route.security or ("smtps" if port == 465 else "required")
    port = 465 if security == "smtps" else port
    adopted.note(
        "guess",
        line.source,
        f"the login for {route.relay} could go out in clear; {security} on port {port} is taken",
        "ask the provider which port he has",
    )
    return route._replace(security=security, port=port)


def _verified(route: Route, line: _Line, adopted: Adopted) -> Route:
    if route.user or not (route.security and route.relay) or route.port in (None, 25):
        if route.kind == "smarthosts" and not route.user:
            return _unverified(route, line, adopted, "its certificate is not verified, since it has no port of its own")
        return route
    if route.relay.startswith("["):
        return _unverified(route, line, adopted, "its certificate is not verified, since the relay has no name")
    adopted.note("guess", line.source, f"the certificate of {route.relay} is verified from now on", "or verify: false")
    return route


def _unverified(route: Route, line: _Line, adopted: Adopted, why: str) -> Route:
    adopted.note("guess", line.source, why, "name the relay, on port 465 or 587")
    return route._replace(verify=False) if route.kind == "smarthosts" else route


def _ordered(found: Sequence[_Line]) -> list[_Line]:
    """The lines with classes that keep their order where it matters.

    Classes are written one after the other. What would come behind a route that matches it first becomes special,
    which comes first of all and may be anything.
    """
    lines = list(found)
    for _again in lines:
        written = sorted(lines, key=lambda line: esmtproutes.CLASSES.index(line.route.kind or "special"))
        try:
            esmtproutes.render(line.route for line in written)
        except RouteError as error:
            match = re.match(r"route ([0-9]+) \(", str(error))
            late = written[int(match[1]) - 1] if match and "is never reached" in str(error) else None
            if late is None or late.route.kind == "special":
                return lines
            lines = [
                line._replace(route=line.route._replace(kind="special")) if line is late else line for line in lines
            ]
        else:
            return lines
    return lines


def _route(line: _Line, adopted: Adopted) -> dict[str, Any]:
    route = line.route
    entry: dict[str, Any] = {
        name: value
        for name in ("domain", "relay", "port", "security", "family", "user", "verify")
        if (value := getattr(route, name)) not in (None, "")
    }
    if route.password:
        entry["password"] = adopted.keep_secret("route_passwords", esmtproutes.target(route), route.password)
    if route.terms.reason:
        entry["reason"] = route.terms.reason
    return entry


class _Client(NamedTuple):
    """An entry of smtpaccess, where it was, and which file it was in."""

    access: Access
    source: str
    file: str


def take_peers(host: Host, adopted: Adopted) -> None:
    """mail_peers, class by class, and courier_mta_access for what no class says."""
    clients = list(_clients(host, adopted))
    adopted.before["access"] = {one.access.network: action_of(one.access) for one in clients}
    adopted.aside += [path for path in host.below("smtpaccess") if path != f"{COURIER}/smtpaccess/default"]
    rest = [one for one in clients if one.access.network not in _LOOPBACK]
    default = f"{COURIER}/smtpaccess/default"
    adopted.explain_names(default, "what programs of the host and fetchmail may do", *_LOOPBACK, "127.0.0.0/8")
    if any(one.access.network == "127.0.0.0/8" for one in rest):
        rest = [one for one in rest if one.access.network != "127.0.0.0/8"]
    sorted_out = [one for one in rest if not _leave_out(one, adopted)]
    made = [(one, *_as_peer(one)) for one in sorted_out]

    def check(some: list[tuple[_Client, Peer | None, Access | None]]) -> object:
        known = [peer for _one, peer, _access in some if peer]
        _refuse_overlap(known)
        return smtpaccess.render([*peers.entries(known), *(access for _one, _peer, access in some if access)])

    kept, refused = acceptable(made, check)
    for (one, _peer, _access), said in refused:
        adopted.note("left", one.source, said)
        adopted.explain_names(default, f"left out: {said}", one.access.network)
    for one, peer, access in kept:
        if peer:
            _add_peer(one, peer, adopted)
        elif access:
            variables = {name: value or None for name, value in access.variables.items()}
            entry: dict[str, Any] = {"network": access.network, "action": access.action}
            entry |= {"variables": variables} if variables else {}
            entry["comment"] = access.comment or f"from {one.file}"
            adopted.add("courier_mta_access", entry, one.source)


def _clients(host: Host, adopted: Adopted) -> Iterator[_Client]:
    """The entries line by line. What no client can match is left out, with a note."""
    for path, text in host.below("smtpaccess").items():
        comment: list[str] = []
        used = False  # what is said of a host is not said of the next; of those who are denied it is
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith("#"):
                comment, used = [*([] if used else comment), line.strip("# \t")], False
                continue
            if not line.strip():
                comment = []
                continue
            source = place(path, number)
            try:
                entries = smtpaccess.parse(line.replace("\r", ""))
            except AccessError as error:
                adopted.note("left", source, re.sub(r"^line \d+: ", "", str(error)))
                continue
            said = " ".join(filter(None, comment)) or None
            if used and any(access.action == "allow" for access in entries):
                said = None
            used = True
            for access in entries:
                yield _Client(access._replace(comment=said), source, path.rpartition("/")[2])


def action_of(access: Access) -> str:
    """An entry as it is compared."""
    return ",".join([access.action, *(f"{name}={value or ''}" for name, value in sorted(access.variables.items()))])


def _leave_out(one: _Client, adopted: Adopted) -> bool:
    network, variables = one.access.network, one.access.variables
    if "RELAYCLIENT" not in variables:
        return False
    if network == "*" and (variables.get("BLOCK") or "").startswith(("4", "5")):
        adopted.note(
            "left",
            one.source,
            "everybody may relay, and is refused all the same: the rule of an exchanger that takes nothing",
            "mail_tarbaby is one that cannot become a relay (docs/security.md)",
        )
    elif network == "*":
        adopted.note("left", one.source, "everybody may relay, without a login")
    elif ipaddress.ip_network(network) in _PRIVATE:
        adopted.note(
            "left",
            one.source,
            f"all of {network} may relay, as Debian's package has it",
            "write the servers among them as mail_peers.managed",
        )
    elif variables["RELAYCLIENT"]:
        adopted.note("left", one.source, f"RELAYCLIENT={variables['RELAYCLIENT']} is appended to each recipient")
    else:
        return False
    adopted.explain_names(f"{COURIER}/smtpaccess/default", "nobody relays only because of where he is", network)
    return True


def _as_peer(one: _Client) -> tuple[Peer | None, Access | None]:
    network, variables, comment = one.access.network, one.access.variables, one.access.comment
    if one.access.action == "deny":
        return Peer("denied", [network], terms=Terms(comment)), None
    found = peers.recognise(variables)
    if not found:
        return None, one.access
    kind, lift = found
    if kind == "trusted" and "broken" in one.file:
        kind, lift = "broken", "dnsbl"
    reason = comment or (_REASONS[lift] if lift else None)
    name = _NAME.search(comment or "") if kind in ("managed", "trusted") else None
    return Peer(kind, [network], name[1].lower() if name else None, lift, terms=Terms(reason)), None


def _refuse_overlap(known: Sequence[Peer]) -> None:
    """Refuse who is denied as a part of somebody else, or the other way round, as the role does."""
    networks = [(peer, ipaddress.ip_network(peer.networks[0])) for peer in known if peer.networks[0] != "*"]
    denied = [pair for pair in networks if pair[0].kind == "denied"]
    for peer, network in networks:
        for other, refused in denied:
            if peer.kind != "denied" and network.version == refused.version and network.overlaps(refused):
                raise AccessError(f"{refused} is denied, and {network} in it is {peer}; keep {peer} or {other}")


def _add_peer(one: _Client, peer: Peer, adopted: Adopted) -> None:
    entry: dict[str, Any] = {"networks": list(peer.networks)}
    if peer.name:
        entry["name"] = peer.name
    if peer.kind == "managed" and not peer.name:
        entry["domains"] = ["*"]
        adopted.note(
            "guess",
            one.source,
            f"nobody says which domains {peer.networks[0]} sends as; it may send as anybody",
            "write its name, or its domains",
        )
    if peer.lift:
        entry["lift"] = peer.lift
    if peer.terms.reason:
        entry["reason"] = peer.terms.reason
    others = adopted.variables.get("mail_peers", {}).get("denied", [])
    if peer.kind == "denied" and others and others[-1].value.get("reason") == peer.terms.reason:
        others[-1].value["networks"] += peer.networks  # of one list, with one reason
    else:
        adopted.add("mail_peers", Said(entry, one.source), under=peer.kind)
    if granted := peers.added(peer.kind, peer.lift, one.access.variables):
        why = f"a peer that is {peer.kind} has {', '.join(sorted(granted))}, too"
        adopted.explain_names(f"{COURIER}/smtpaccess/default", why, peer.networks[0])
