# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's smtpaccess: which clients may connect to the listeners, and with which settings.

A line is `key<TAB>deny` or `key<TAB>allow,VAR,VAR=value`. The key is an address or its first groups, and the longest
key that fits a client is the only one that counts for it. The rules are those of makedat (shell and makedatprog.c), of
tcpd.c in couriertcpd, and of makesmtpaccess(8) and submit(8) for the variables; tried on Courier 1.0.16 and
1.4.1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from . import bofh

Network = ipaddress.IPv4Network | ipaddress.IPv6Network  # pylint: disable=unsupported-binary-operation

EVERYBODY = "*"
# The widest networks, by version of IP, that may relay: as much as somebody can have for himself.
WIDEST_RELAY = {4: 8, 6: 16}
MOST_LINES = 2**15  # of one network: any but ::/0. makedat compiles them in a fifth of a second.

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_KEY_V4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})(?:\.(?!\Z)|\Z)){1,4}")
_KEY_V6 = re.compile(r"(?::[0-9a-f]{4}){1,8}")
_KEY_EXPANDED_BY_MAKEDAT = re.compile(r"([a-fA-F0-9:.]+[-/][a-fA-F0-9:.]+)\s+(.*)")
_VARIABLE = re.compile(r"""(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z)|[^,"'])+""")
_QUOTED = re.compile(r"""(["'])(.*?)(?:\1|\Z)""")

_SWITCH = ("[01]", "0 or 1")
_LEVEL = ("[012]", "0, 1 or 2")
# Variables that a listener heeds: what their values match, and the same in words. The lists of SPF results are bofh's.
_VARIABLES = {
    "AUTH_REQUIRED": _SWITCH,
    "BLOCK": (
        r"(?:[45][0-9]{2}[ -][ !#-~]*[!#-~])?",
        "no value, or a code and a text of printable ASCII without double quotes, such as 550 5.7.1 Go away",
    ),
    "BOFHCHECKDNS": _SWITCH,
    "BOFHCHECKHELO": _LEVEL,
    "BOFHNOEXPN": _SWITCH,
    "BOFHNOVRFY": _SWITCH,
    "BOFHSPFFROM": None,
    "BOFHSPFHARDERROR": None,
    "BOFHSPFHELO": None,
    "BOFHSPFMAILFROM": None,
    "BOFHSPFNOVERBOSE": _SWITCH,
    "BOFHSPFTRUSTME": _SWITCH,
    "ESMTP_TLS_REQUIRED": _SWITCH,
    "FAXRELAYCLIENT": ("", "no value"),
    "MIME": ("none|7bit|8bit", "none, 7bit or 8bit"),
    "NOADDDATE": _SWITCH,
    "NOADDMSGID": _SWITCH,
    "NOADDRREWRITE": _LEVEL,
    "RELAYCLIENT": ("", "no value, since Courier appends it to every recipient"),
    "SIZELIMIT": ("[0-9]{1,18}", "a number of bytes, such as 26214400"),
    "TARPIT": _SWITCH,
}


class AccessError(ValueError):
    """An entry that Courier would misread, or that would open the server to strangers."""


class Access(NamedTuple):
    """What clients of a network may do. A variable of None or "" is set and has no value."""

    network: str  # "*", or an address or a network in CIDR, IPv4 or IPv6
    action: Literal["allow", "deny"] = "allow"
    variables: Mapping[str, str | None] = MappingProxyType({})
    comment: str | None = None  # why; may have several lines


def render(entries: Iterable[Access]) -> str:
    """Write the entries in the order given, each as the keys that Courier looks up.

    Where networks overlap, the narrower one gets the clients that they share, whatever the order: their keys are
    left out of the wider one. Raises AccessError.
    """
    entries = list(entries)
    networks = [_network(entry.network) for entry in entries]
    winners: dict[str, int] = {}
    for index, network in enumerate(networks):
        _check_action(entries[index], network)
        for key in _keys(network):
            other = winners.setdefault(key, index)
            if other != index and networks[other] == network:
                raise AccessError(
                    f"{entries[other].network} and {entries[index].network} are the same clients, which can have one "
                    "entry only; put all variables into one of them"
                )
            if _length(network) > _length(networks[other]):
                winners[key] = index
    return "".join(
        _lines(entry, [key for key in _keys(network) if winners[key] == index])
        for index, (entry, network) in enumerate(zip(entries, networks, strict=True))
    )


def without(text: str, ours: str) -> str:
    """What another file of smtpaccess keeps beside ours: nothing of the clients that ours names, but for everybody.

    makesmtpaccess compiles all files together and refuses a key that is there twice, and a narrower key would win.
    """
    named = {line.partition("\t")[0] for line in ours.split("\n") if line and not line.startswith("#")}
    wider = {above for key in named for above in _above(key)}
    kept = []
    for line in text.split("\n"):
        key, tab, _action = line.partition("\t")
        if not tab or line.startswith("#") or not (key in wider or named.intersection(_above(key))):
            kept.append(line)
    return "\n".join(kept)


def canonical(network: str) -> str:
    """The one spelling of a network, an address or "*". Raises AccessError for what is none of them."""
    return _spelling(_network(network))


def parse(text: str) -> list[Access]:
    """Read a file as makesmtpaccess compiles it and couriertcpd obeys it; comments right above a line come with it.

    Networks are in the spelling of ipaddress. What makedat expands by itself (CIDR and ranges, thanks to Net::CIDR, on
    which Debian's courier-mta depends) is read as well. Raises AccessError for keys that no client can have and for
    keys that are there twice, because makedat compiles nothing then.
    """
    entries = []
    comment: list[str] = []
    networks: list[Network | None]
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if line == ".":  # the end of the text to makedat
            break
        if line.startswith("#"):
            comment.append(line[1:].removeprefix(" "))
            continue
        expanded = _KEY_EXPANDED_BY_MAKEDAT.fullmatch(line)
        key, _separator, rest = line.partition("\t")
        if expanded:
            networks, rest = [*_expanded(expanded[1], number)], expanded[2]
        else:
            networks = [_looked_up(key, number)] if key else []
        for network in networks:
            keys = set(_keys(network))
            if keys & seen:
                twice = min(keys & seen)
                raise AccessError(f"line {number}: {twice} is there twice, and makesmtpaccess refuses the whole list")
            seen |= keys
            # makedat gives a key without a value the value 1.
            entries.append(Access(_spelling(network), *_action(rest or "1"), "\n".join(comment) or None))
        comment = []
    return entries


def _network(text: str) -> Network | None:
    """The network, or None for everybody."""
    if text == EVERYBODY:
        return None
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            right = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise AccessError(
                f"{text!r} is no network; write an address or a network such as 192.0.2.0/24 or 2001:db8::/32, "
                f"or {EVERYBODY!r} for every client"
            ) from None
        raise AccessError(f"{text} is an address in a network; write {right}, or {text.partition('/')[0]}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        plain = ipaddress.ip_network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
        raise AccessError(f"{text} never matches, since Courier looks up the IPv4 address in it; write {plain}")
    lines = 2 ** (_boundary(network) - network.prefixlen)
    if lines > MOST_LINES:
        raise AccessError(f"{text} takes {lines} lines of smtpaccess; write {EVERYBODY!r}, or ::/1 and 8000::/1")
    return network


def _keys(network: Network | None) -> Iterator[str]:
    """What Courier looks up: whole groups, of 8 bits in IPv4 and of 16 bits in IPv6."""
    if network is None:
        yield EVERYBODY
        return
    boundary = _boundary(network)
    first = int(network.network_address) >> (network.max_prefixlen - boundary)
    for prefix in range(first, first + 2 ** (boundary - network.prefixlen)):
        if network.version == 4:
            yield ".".join(str(prefix >> shift & 0xFF) for shift in range(boundary - 8, -1, -8))
        else:
            yield "".join(f":{prefix >> shift & 0xFFFF:04x}" for shift in range(boundary - 16, -1, -16))


def _above(key: str) -> Iterator[str]:
    """The keys that Courier looks up for a client, from its own to the widest."""
    while key:
        yield key
        key = key[: max(key.rfind("."), key.rfind(":"), 0)]


def _boundary(network: Network) -> int:
    """The prefix length of the keys."""
    group = 8 if network.version == 4 else 16
    return max(-(-network.prefixlen // group), 1) * group


def _length(network: Network | None) -> int:
    return network.prefixlen if network else 0


def _check_action(entry: Access, network: Network | None) -> None:
    if entry.action == "deny" and entry.variables:
        raise AccessError(
            f"{entry.network}: deny closes the connection before {', '.join(entry.variables)} could matter; "
            "remove the variables, or write allow with a BLOCK, which a login lifts"
        )
    for name, value in entry.variables.items():
        _check_variable(entry.network, name, value or "")
    if "RELAYCLIENT" not in entry.variables:
        return
    if network is None or network.prefixlen < WIDEST_RELAY[network.version]:
        raise AccessError(
            f"{entry.network} with RELAYCLIENT is an open relay; give it to the networks of your own servers, "
            f"/{WIDEST_RELAY[4]} of IPv4 and /{WIDEST_RELAY[6]} of IPv6 at most"
        )


def _check_variable(network: str, name: str, value: str) -> None:
    if name not in _VARIABLES:
        raise AccessError(f"{network}: {name} is nothing that Courier reads; write one of {', '.join(_VARIABLES)}")
    rule = _VARIABLES[name]
    if rule is None:
        try:
            bofh.render([f"opt {name}={value}"])
        except bofh.BofhError as error:
            raise AccessError(f"{network}: {error}") from None
    elif not re.fullmatch(rule[0], value):
        raise AccessError(f"{network}: {name} is {value!r}; write {rule[1]}")


def _lines(entry: Access, keys: Iterable[str]) -> str:
    comment = entry.comment.split("\n") if entry.comment else []
    action = ",".join([entry.action, *(_assignment(*variable) for variable in entry.variables.items())])
    return "".join([*(f"# {line}".rstrip(" ") + "\n" for line in comment), *(f"{key}\t{action}\n" for key in keys)])


def _assignment(name: str, value: str | None) -> str:
    if not value:
        return name
    return f'{name}="{value}"' if set(value) & set(", '") else f"{name}={value}"


def _looked_up(key: str, number: int) -> Network | None:
    """The network of a key that couriertcpd looks up."""
    if key == EVERYBODY:
        return None
    if _KEY_V4.fullmatch(key):
        octets = key.split(".")
        if max(map(int, octets)) <= 255:
            address = ".".join([*octets, "0", "0", "0"][:4])
            return ipaddress.IPv4Network(f"{address}/{8 * len(octets)}")
    if _KEY_V6.fullmatch(key):
        groups = key[1:].split(":")
        address = ":".join([*groups, *["0"] * 7][:8])
        return ipaddress.IPv6Network(f"{address}/{16 * len(groups)}")
    raise AccessError(
        f"line {number}: {key!r} matches no client; write 1 to 4 octets of IPv4 with dots between them, 1 to 8 groups "
        "of IPv6 with a colon and four lower-case digits each, or *"
    )


def _expanded(text: str, number: int) -> list[Network]:
    """The networks of what makedat expands."""
    try:
        first, hyphen, last = text.partition("-")
        if not hyphen:
            return [ipaddress.ip_network(text, strict=False)]
        addresses = ipaddress.ip_address(first), ipaddress.ip_address(last)
        return list(ipaddress.summarize_address_range(*addresses))
    except (TypeError, ValueError):
        raise AccessError(f"line {number}: {text!r} is neither a network nor a range") from None


def _spelling(network: Network | None) -> str:
    if network is None:
        return EVERYBODY
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _action(text: str) -> tuple[Literal["allow", "deny"], dict[str, str | None]]:
    """What couriertcpd makes of a value: whatever does not begin with deny is allowed in."""
    if text.startswith("deny"):
        return "deny", {}
    variables: dict[str, str | None] = {}
    for item in _VARIABLE.findall(text.removeprefix("allow")):
        name, _separator, value = _QUOTED.sub(r"\2", item).strip(" \t\v\f\r").partition("=")
        if name:
            variables[name] = value or None
    return "allow", variables
