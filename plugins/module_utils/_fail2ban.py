# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban reads: sections of settings, in its own words, and the networks that it never bans.

fail2ban takes a setting that it does not know without a word, and forgets at a restart a ban that lasts longer than its
database remembers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

HEADER = "# Written by Ansible (courier.mail.fail2ban). What you write here is lost.\n"

# Of a jail, in fail2ban's words (jail.conf(5)).
_TIMES = ("bantime", "findtime", "bantime.maxtime", "bantime.rndtime")
_NUMBERS = ("maxretry", "maxmatches")
_SWITCHES = ("enabled", "ignoreself", "bantime.increment", "bantime.overalljails")
_OTHERS = (
    "action",
    "backend",
    "banaction",
    "banaction_allports",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "chain",
    "datepattern",
    "failregex",
    "filter",
    "ignorecache",
    "ignorecommand",
    "ignoreregex",
    "journalmatch",
    "logencoding",
    "logpath",
    "logtimezone",
    "mode",
    "prefregex",
    "protocol",
    "usedns",
)
SETTINGS = (*_TIMES, *_NUMBERS, *_SWITCHES, "port", *_OTHERS)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIME = re.compile(r"(\d+)\s*([smhdw]?)\s*")
_PORT = "(?:[0-9]{1,5}(?:[:-][0-9]{1,5})?|[a-z][a-z0-9-]*)"
_PORTS = re.compile(rf"{_PORT}(?:\s*,\s*{_PORT})*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,25}")  # nft takes no longer names of sets


class BanError(ValueError):
    """What fail2ban would misread."""


def seconds(name: str, value: object) -> int:
    """A time as fail2ban has it, in seconds."""
    text, place, total = str(value).strip(), 0, 0
    while match := _TIME.match(text, place):
        total += int(match[1]) * _UNITS[match[2] or "s"]
        place = match.end()
    if place != len(text) or total <= 0:
        raise BanError(f"{name} is {value!r}, which is no time; write such as 600, 10m, 1h, 1d 12h or 4w")
    return total


def addresses(name: str, values: Iterable[object]) -> list[str]:
    """Networks as they were given; what is none is refused."""
    for value in values:
        try:
            ipaddress.ip_network(str(value))
        except ValueError:
            raise BanError(
                f"{name} has {value!r}; write addresses, or networks such as 192.0.2.0/24 or 2001:db8::/32"
            ) from None
    return [str(value) for value in values]


def render(
    default: Mapping[str, object], jails: Mapping[str, Mapping[str, object]], ignored: Iterable[object], remembered: str
) -> str:
    """The text of a file in jail.d. remembered is how long the database keeps a ban."""
    kept = seconds("the time that bans are remembered", remembered)
    never = " ".join(dict.fromkeys(["127.0.0.0/8", "::1", *addresses("fail2ban_ignored", ignored)]))
    text = HEADER + _section("DEFAULT", "the default of all jails", {"ignoreip": never} | _checked("default", default))
    for name, settings in jails.items():
        if not _NAME.fullmatch(name):
            raise BanError(f"a jail cannot be called {name!r}; write at most 26 small letters, digits, '-' and '_'")
        text += _section(name, f"the jail {name}", _checked(f"jail {name}", settings))
    for name, settings in {"default": default, **jails}.items():
        for key in ("bantime", "bantime.maxtime"):
            if key in settings and seconds(f"{key} of {name}", settings[key]) > kept:
                raise BanError(
                    f"{key} of {name} is {settings[key]!r}, and bans are remembered for {remembered}: a restart would "
                    "let in again who is banned for longer; write less, or raise fail2ban_remembered"
                )
    return text


def _checked(where: str, settings: Mapping[str, object]) -> dict[str, str]:
    return {key: _value(where, key, value) for key, value in settings.items()}


def _value(where: str, key: str, value: object) -> str:
    name = f"{key} of {where}"
    if key == "ignoreip":
        raise BanError(
            f"{name}: networks that are never banned are said once, in mail_admin_networks; write them there"
        )
    if key not in SETTINGS:
        raise BanError(f"{name}: fail2ban has no such setting; write one of {', '.join(sorted(SETTINGS))}")
    if key in _TIMES:
        seconds(name, value)
    elif key in _NUMBERS:
        if not re.fullmatch("[1-9][0-9]{0,5}", str(value)):
            raise BanError(f"{name} is {value!r}; write a number from 1 on")
    elif key in _SWITCHES:
        if str(value).lower() not in ("true", "false"):
            raise BanError(f"{name} is {value!r}; write true or false")
        return str(value).lower()
    elif key == "port" and not _are_ports(str(value)):
        raise BanError(f"{name} is {value!r}, and nft would close none; write such as 22, ssh, 80,443 or 8000:8010")
    return str(value)


def _are_ports(text: str) -> bool:
    return bool(_PORTS.fullmatch(text)) and all(int(one) <= 65535 for one in re.findall(r"\b[0-9]+\b", text))


def _section(name: str, where: str, settings: Mapping[str, str]) -> str:
    lines = []
    for key, value in settings.items():
        if re.search(r"[\x00-\x09\x0b-\x1f\x7f]|\n[^\s]|\n\s*\n", value):
            raise BanError(f"{key} of {where} is {value!r}; a line after the first one begins with a space")
        lines.append(f"{key} = {value}\n")
    return f"\n[{name}]\n{''.join(lines)}"
