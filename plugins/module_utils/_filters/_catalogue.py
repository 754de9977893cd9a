# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All filters that there are, and what makes sense of an order, of settings and of outcomes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from . import (
    __main__,
    _addresses,
    _arc,
    _bigmail,
    _chain,
    _configuration,
    _connection,
    _dkim,
    _dmarc,
    _dmarc_report,
    _dnslist,
    _fetched,
    _forward,
    _junk,
    _letter,
    _lists,
    _maildirs,
    _message,
    _names,
    _origin,
    _package,
    _parts,
    _queue,
    _replace,
    _reread,
    _resolve,
    _results,
    _serve,
    _settings,
    _shield,
    _signing,
    _srs,
    _store,
    _tarbaby,
    _tell,
    _verdict,
    _visits,
    _zones,
    attachments,
    authenticate,
    big_mail,
    clamd,
    deny,
    dkim_sign,
    dnsbl,
    learn,
    log,
    rate,
    repair,
    room,
    sender_login,
    smuggling,
    spamd,
    spamtrap,
    srs,
)
from ._settings import SettingsError, build, fit, written

# Ours: a module with Settings and a Filter.
FILTERS: dict[str, ModuleType] = {
    "attachments": attachments,
    "authenticate": authenticate,
    "big_mail": big_mail,
    "clamd": clamd,
    "dkim_sign": dkim_sign,
    "dnsbl": dnsbl,
    "log": log,
    "rate": rate,
    "repair": repair,
    "room": room,
    "sender_login": sender_login,
    "smuggling": smuggling,
    "spamd": spamd,
    "spamtrap": spamtrap,
    "srs": srs,
}

# What courier-mail does beside them, with settings in the same place.
COMMANDS: dict[str, ModuleType] = {"deny": deny, "learn": learn}

# Those that come with pythonfilter 3.0.6, and the types of their settings, which it takes whatever they are. For those
# that are left out, ours do the same, and say when they cannot.
PACKAGED: dict[str, dict[str, Any]] = {
    "add_signature": {"domains": dict[str, str]},
    "auto_whitelist": {"whitelist_ttl": int, "whitelist_purge_interval": int},
    "comeagain": {"senders_ttl": int, "senders_purge_interval": int},
    "debug": {},
    "deliveredto": {},
    "dialback": {"senders_ttl": int, "senders_purge_interval": int, "smtp_timeout": int, "postmaster_addr": str},
    "greylist": {
        "senders_purge_interval": int,
        "senders_passed_ttl": int,
        "senders_not_passed_ttl": int,
        "greylist_time": int,
    },
    "localsenders": {"require_auth": bool},
    "log_aliases": {},
    "noduplicates": {},
    "noreceivedheaders": {},
    "nosuccessdsn": {},
    "privateaddr": {"private_rcpts": dict[str, list[str]]},
    "quota": {},
    "ratelimit": {"max_connections": int, "interval": int, "senders_purge_interval": int, "limit_network": bool},
    "sentfolder": {"siteid": str},
    "whitelist_auth": {},
    "whitelist_block": {},
    "whitelist_dnswl": {"dnswl_zone": list[str]},
    "whitelist_relayclients": {},
    "whitelist_spf": {},
}
OUTCOMES = ("defer", "accept", "tag")

_PARTS: tuple[ModuleType, ...] = (
    __main__,
    _addresses,
    _arc,
    _bigmail,
    _chain,
    _configuration,
    _connection,
    _dkim,
    _dmarc,
    _dmarc_report,
    _dnslist,
    _fetched,
    _forward,
    _junk,
    _letter,
    _lists,
    _maildirs,
    _message,
    _names,
    _origin,
    _package,
    _parts,
    _queue,
    _replace,
    _reread,
    _resolve,
    _results,
    _serve,
    _settings,
    _shield,
    _signing,
    _srs,
    _store,
    _tarbaby,
    _tell,
    _verdict,
    _visits,
    _zones,
)


def check(
    order: Sequence[str], when_down: Mapping[str, str], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The settings that differ from the defaults, or SettingsError."""
    filters = [*FILTERS, *PACKAGED]
    for name in (*order, *when_down):
        _known(name, filters)
    for name in settings:
        _known(name, [*filters, *COMMANDS])
    for name in order:
        if list(order).count(name) > 1:
            raise SettingsError(f"{name} is twice in the order of filters; write it once")
    for name, outcome in when_down.items():
        if outcome not in OUTCOMES:
            raise SettingsError(f"when {name} is down: {outcome!r}; write {', '.join(OUTCOMES)}")
    return {name: _checked(name, given) for name, given in settings.items()}


def unseen(order: Sequence[str]) -> Iterator[str]:
    """What an order lets pass that few operators mean to let pass, in sentences."""
    whitelists = [number for number, name in enumerate(order) if name.startswith("whitelist_")]
    for name in ("smuggling", "clamd", "attachments"):
        if name in order and whitelists and order.index(name) > whitelists[0]:
            yield f"{name} comes after {order[whitelists[0]]}, whose mail it never sees"


def sources() -> dict[str, str]:
    """The files of the package, as the role puts them on a host: name and text. They may come out of an archive."""
    return _package.files([sys.modules[__name__], *_PARTS, *FILTERS.values(), *COMMANDS.values()])


def _known(name: str, names: Sequence[str]) -> None:
    if name not in names:
        close = get_close_matches(name, names, 2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"write {', '.join(names)}"
        raise SettingsError(f"there is no filter {name}; {hint}")


def _checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if name in PACKAGED:
            fit(PACKAGED[name], given)
            return dict(given)
        return written(build({**FILTERS, **COMMANDS}[name].Settings, given))
    except SettingsError as error:
        raise SettingsError(f"filter {name}: {error}") from error
