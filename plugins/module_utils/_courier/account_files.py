# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of the inventory, one file each, named after the address.

A change touches the lines of one key and no other byte, so that comments stay and a difference can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from .userdb import canonical

END = ".yml"


class AccountFileError(ValueError):
    """A file that is not one of an account, or a change that cannot be made."""


def file_name(address: str) -> str:
    """The name of the file of an address. Raises UserdbError."""
    return canonical(address) + END


def address(name: str) -> str:
    """Whose file it is, by its name. Raises AccountFileError."""
    if not name.endswith(END):
        raise AccountFileError(
            f"{name} is not a file of an account; name it after the address, as alice@example.com.yml"
        )
    found = name.removesuffix(END)
    if canonical(found) != found:
        raise AccountFileError(
            f"{name}: an address is written in lower case here; call the file {canonical(found)}.yml"
        )
    return found


def entry(name: str, said: object) -> dict[str, object]:
    """An account as mail_accounts has it. Raises AccountFileError."""
    whose = address(name)
    if said is None:
        said = {}
    if not isinstance(said, Mapping):
        raise AccountFileError(f"{name}: write what is to be said of the account, such as password_hash: $6$…")
    if said.get("address", whose) != whose:
        raise AccountFileError(f"{name} has the address {said['address']}; leave it out, or call the file after it")
    return {"address": whose} | dict(said)


def change(text: str, settings: Mapping[str, object]) -> str:
    """The text with other values of some keys. None takes a key away; a new one goes to the end."""
    for key, value in settings.items():
        line = "" if value is None else f"{key}: {json.dumps(value, ensure_ascii=False)}\n"
        # A key, and what belongs to it: all that is farther in, a vault for example.
        place = re.compile(rf"^{re.escape(key)}:.*(?:\n|\Z)(?:[ \t]+\S.*(?:\n|\Z)|- .*(?:\n|\Z))*", re.MULTILINE)
        if place.search(text):
            text = place.sub(lambda _match, line=line: line, text, count=1)  # type: ignore[misc]
        elif line:
            text = f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}"
    return text
