# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clamd reads: its settings, and files of signatures in the text formats of ClamAV."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What the role decides: others find the daemon by these, and the package's unit starts it in the foreground.
OURS = ("DatabaseDirectory", "Foreground", "LocalSocket", "User")

# Each of them cuts off what is larger: what clamd has by itself since 1.0. 0 is no limit.
LIMITS = {"StreamMaxLength": "100M", "MaxScanSize": "400M", "MaxFileSize": "100M"}

# Files of signatures by their extension. The second kind only says what is not to be found.
FINDING = ("cdb", "hdb", "hsb", "idb", "ldb", "mdb", "msb", "ndb", "pdb", "yar", "yara")
EXCEPTING = ("fp", "ign2", "sfp", "wdb")

# Ours among the files of the database directory.
PREFIX = "courier-mail-"

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class ClamavError(ValueError):
    """A setting or a signature that clamd would refuse, or misread."""


def render(settings: Mapping[str, object], largest: int) -> str:
    """The text of clamd.conf. What is up to `largest` bytes long must be scanned whole; 0 is any length."""
    for name, default in LIMITS.items():
        _long_enough(name, settings.get(name, default), largest)
    lines = []
    for name, value in settings.items():
        if name in OURS:
            raise ClamavError(f"{name} is not a setting of yours, because others find clamd by it; leave it out")
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name):
            raise ClamavError(f"{name!r} is not a setting of clamd; write one as in clamd.conf(5), such as MaxThreads")
        values = value if isinstance(value, list) else [value]
        lines += [f"{name} {_written(name, one)}" for one in values]
    baseline = ("LocalSocket /run/clamav/clamd.ctl", "DatabaseDirectory /var/lib/clamav", "User clamav")
    return "\n".join(("# Managed by courier.mail", *baseline, *lines, ""))


def signatures(files: Mapping[str, object]) -> dict[str, str]:
    """The files of signatures: their names in the database directory, and their texts."""
    made = {}
    for name, text in files.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*\.[a-z0-9]+", name):
            raise ClamavError(f"{name!r} is not a name of a file of signatures; write one such as local.ndb")
        extension = name.rpartition(".")[2]
        if extension not in FINDING + EXCEPTING:
            known = ", ".join(sorted(FINDING + EXCEPTING))
            raise ClamavError(f"{name}: ClamAV has no signatures of the kind {extension}; it has {known}")
        if not isinstance(text, str) or not text.strip():
            raise ClamavError(f"{name} has no signature; write one, or take the file out of the list")
        _lines(name, extension, text)
        made[PREFIX + name] = text if text.endswith("\n") else f"{text}\n"
    return made


def finds(names: Mapping[str, object]) -> bool:
    """Whether one of these files has something to find."""
    return any(name.rpartition(".")[2] in FINDING for name in names)


def _lines(name: str, extension: str, text: str) -> None:
    """The two formats that people write by hand; clamscan on the host looks at all of them."""
    rules = {
        "ndb": (r"[^:\s]+:\d+:[^:]+:[0-9A-Fa-f?*(){}|!\[\]\-]+(:\d*){0,2}", "NAME:TARGET:OFFSET:HEX"),
        "hdb": (r"[0-9a-f]{32}:(\d+|\*):[^:\s]+(:\d*){0,2}", "MD5:SIZE:NAME"),
        "hsb": (r"([0-9a-f]{40}|[0-9a-f]{64}):(\d+|\*):[^:\s]+(:\d*){0,2}", "SHA:SIZE:NAME"),
    }
    if extension not in rules:
        return
    pattern, form = rules[extension]
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith("#") and not re.fullmatch(pattern, line):
            raise ClamavError(f"{name}, line {number}: {line[:60]!r} is not a signature of its kind; write {form}")


def _long_enough(name: str, value: object, largest: int) -> None:
    match = re.fullmatch(r"(\d+)([KMG]?)", str(value).upper())
    if not match:
        raise ClamavError(f"{name}: {value!r} is not a size; write bytes, or a number with K, M or G, such as 26M")
    size = int(match[1]) * _UNITS[match[2]]
    if size and (size < largest or not largest):
        may = f"{largest} bytes" if largest else "any number of bytes"
        instead = f"at least {-(-largest >> 20)}M" if largest else "0, which is no limit,"
        raise ClamavError(
            f"{name} is {value}, and a message may have {may}, of which clamd would pass over the rest; "
            f"write {instead} in clamav_clamd, or a lower sizelimit in courier_mta_files"
        )


def _written(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int) or not (text := str(value)).strip() or "\n" in text:
        raise ClamavError(f"{name}: {value!r} is not a value in one line")
    return text
