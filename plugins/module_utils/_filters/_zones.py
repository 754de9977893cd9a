# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones of our own lists, as rbldnsd reads them: who is refused here (deny), and who is known as good.

The role rbldnsd writes what every zone has beside that. Files are written when their text is another; rbldnsd looks at
their times and reads them by itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterable, Iterator
from typing import Any

from . import _addresses, _replace, deny

BLOCK, ALLOW = "block", "allow"
VERSIONS = (4, 6)
_HEADER = "# Written by courier-mail zones. What you write here is lost.\n"
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


def run(settings: deny.Settings, directory: str, configuration: str = deny.DIRECTORY) -> list[str]:
    """Write the files and return the names of those that changed. Raises OSError or ValueError."""
    # Before a filter has counted anything there is no store, and it is theirs to make.
    bad = deny.run(settings, configuration, dry=True).entries if os.path.exists(settings.store) else []
    texts = {
        f"{kind}{version}.listed": text
        for kind, networks in ((BLOCK, bad), (ALLOW, good(settings, configuration)))
        for version, text in render(networks).items()
    }
    return [name for name, text in texts.items() if _put(os.path.join(directory, name), text)]


def render(networks: Iterable[str]) -> dict[int, str]:
    """The texts by the version of IP: rbldnsd keeps them apart."""
    found: dict[int, list[str]] = {version: [] for version in VERSIONS}
    for network in networks:
        one = ipaddress.ip_network(network)
        found[one.version].append(str(one.network_address if one.prefixlen == one.max_prefixlen else one))
    return {version: _HEADER + "".join(f"{one}\n" for one in sorted(lines)) for version, lines in found.items()}


def good(settings: deny.Settings, configuration: str = deny.DIRECTORY) -> list[str]:
    """Our own networks, and the peers whom smtpaccess lets pass: they relay, or no list counts for them."""
    found: dict[int, set[Any]] = {version: set() for version in VERSIONS}
    named = map(ipaddress.ip_network, (*settings.never, *_addresses.networks(settings.known)))
    for one in (*named, *_granted(f"{configuration}/smtpaccess")):
        if not any(one.version == own.version and one.overlaps(own) for own in _LOOPBACK):
            found[one.version].add(one)
    return [str(one) for version in VERSIONS for one in ipaddress.collapse_addresses(found[version])]


def _granted(directory: str) -> Iterator[_addresses.Network]:
    for key, action in deny.entries(directory):
        words = action.split(",")
        if words[0] == "allow" and ("BLOCK" in words or any(word.partition("=")[0] == "RELAYCLIENT" for word in words)):
            with contextlib.suppress(ValueError):  # "*", which is everybody
                yield deny.network(key)


def _put(path: str, text: str) -> bool:
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as stream:
        if stream.read() == text:
            return False
    _replace.write(path, text, 0o644)
    return True
