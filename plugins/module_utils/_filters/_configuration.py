# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pythonfilter.conf and pythonfilter-modules.conf.

The second has a section for each module, with Python literals as values, as pythonfilter's own modules read them.
"""

from __future__ import annotations

import ast
import configparser
from collections.abc import Mapping, Sequence
from typing import Any

CONF = "/etc/pythonfilter.conf"
PATH = "/etc/pythonfilter-modules.conf"
ADDRESSES = "/etc/pythonfilter-addresses.json"  # what is known of the site
OURS = "courier_mail"
_HEADER = "# Written by Ansible (courier.mail.pythonfilter). What you change here is lost.\n"

Configuration = tuple[list[str], dict[str, str], dict[str, dict[str, Any]]]


def read(path: str = PATH) -> Configuration:
    """The order of the filters, what each means when it is down, and their settings."""
    with open(path, encoding="utf-8") as stream:
        return parse(stream.read())


def parse(text: str) -> Configuration:
    """See read."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(text)
    sections = {
        section.removesuffix(".py"): {key: ast.literal_eval(value) for key, value in parser.items(section)}
        for section in parser.sections()
    }
    ours = sections.pop(OURS)
    return ours["modules"], ours["when_down"], sections


def render(
    order: Sequence[str], when_down: Mapping[str, str], settings: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str]:
    """The texts of pythonfilter.conf and pythonfilter-modules.conf."""
    ours = {"modules": list(order), "when_down": {name: when_down[name] for name in order if name in when_down}}
    # pythonfilter's own modules fail without the last two.
    sections = {
        OURS: ours,
        # What is no filter in the order is for the command line.
        **{name: settings[name] for name in dict.fromkeys([*order, *sorted(settings)]) if settings.get(name)},
        "ttldb": {"type": "dbm", "dir": "/var/lib/pythonfilter"},
        "quarantine": {"siteid": "local", "dir": "/var/lib/pythonfilter/quarantine", "days": 14},
    }
    bare = ("ttldb", "quarantine")
    blocks = [
        "".join([f"[{name}]\n" if name in bare else f"[{name}.py]\n", *map(_line, values.items())])
        for name, values in sections.items()
    ]
    return f"{_HEADER}# Its filters and their order are in {PATH}.\n{OURS}\n", "\n".join([_HEADER, *blocks])


def _line(entry: tuple[str, object]) -> str:
    # A line break in a value would end it.
    return f"{entry[0]} = {entry[1]!r}\n"
