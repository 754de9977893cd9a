# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of KEY=value that sh sources: courierd, esmtpd, imapd, pop3d, their overlays, and authdaemonrc.

The packages own them, so values are set where they stand and every other byte is kept. Three readers must agree on
a value: sh, which sources the file; a second sh, to which the start scripts of the listeners hand some values; and
authdaemond, which reads authdaemonrc line by line. KEY="value" at the start of a line is the form all three read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

# A start script sources the files of a service one after the other, so what one of them names another may set.
SERVICES = (
    ("authdaemonrc",),
    ("courierd",),
    ("esmtpd", "esmtpd-msa", "esmtpd-ssl"),
    ("imapd", "imapd-ssl"),
    ("pop3d", "pop3d-ssl"),
)

_SECTION = re.compile(r"^##NAME: *(\w*)", re.MULTILINE | re.ASCII)
_NAMED = re.compile(r"^##NAME: *(\w+)|^#*[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=", re.MULTILINE | re.ASCII)
_WORD = r"""(?:[^ \t\n"'\\`$;&|<>()]++|\\.|'[^']*'|"(?:[^"\\]++|\\.)*+"|`[^`]*`|\$(?:\([^()]*\)|\{[^{}]*\})?)*+"""
# What follows a word must end the command: in KEY=value command, sh forgets the value afterwards.
_ASSIGNMENT = re.compile(
    rf"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=({_WORD})(?=[ \t]*(?:[;\n]|\Z)|[ \t]+#)",
    re.MULTILINE | re.DOTALL | re.ASCII,
)
_PIECE = re.compile(r"""'([^']*)'|"((?:[^"\\]++|\\.)*+)"|\\(.)|([^'"\\]+)""", re.DOTALL)
_ESCAPED = re.compile(r'\\([$`"\\\n])')

_UNSAFE = re.compile(r'[$`\\"\x00-\x1f\x7f]')
# These are split into words and parsed once more on the way to couriertcpd. What does not look like an option
# there is taken for the port, and the service does not start.
_COMMAND_LINE = frozenset({"BLACKLISTS", "DROP", "TCPDOPTS"})
_OPTIONS = re.compile(r"(?: *-[^ '#&;|<>()]+)* *")
# A list without a message, which Courier 1.0.16 asks and then refuses nobody for.
_MUTE = re.compile(r"-block=([^ ,/]*)(?:,[^ ,]*)?,?(?= |$)")
# Settings that do harm, or nothing, with most values: what they match, and what to write.
_MEANT = {
    "ESMTPAUTH": (
        "",
        "Courier would take a password before STARTTLS; "
        "leave it empty and write ESMTPAUTH_TLS, which counts on 465 too",
    ),
    "ESMTP_BLOCKBACKSCATTER": (
        "(?:smtp/dsn(?:,authsmtp/dsn)?)?",
        "write smtp/dsn (drop bounces to strangers), smtp/dsn,authsmtp/dsn (to everybody who came by SMTP) or nothing",
    ),
    "IMAP_EMPTYTRASH": (
        "[^:,]+:[1-9][0-9]*(?:,[^:,]+:[1-9][0-9]*)*|,",
        "write folders with days, such as Trash:30,Deleted Items:30, or a comma to keep all; 0 and nothing are one day",
    ),
}


class SettingsError(ValueError):
    """A setting that the file does not know, or a value that would not survive."""


def known(text: str) -> set[str]:
    """The settings a file names, in a section marker or an assignment, commented out or not: its own schema."""
    return {marked or assigned for marked, assigned in _NAMED.findall(text)}


def read(text: str) -> dict[str, str]:
    """What sh holds after sourcing the file: the last assignment of each setting, unquoted.

    Expansions stay as they are written, since ${sysconfdir} is known to the start script only.
    """
    return {key: _unquote(word) for key, word in _ASSIGNMENT.findall(text)}


def write(text: str, settings: Mapping[str, object], siblings: Iterable[str] = ()) -> str:
    """Give each setting its value in the line that sh obeys, the last one; keep every other byte.

    A setting that is not assigned yet goes to the end of its section, or of the file. Siblings are the texts of the
    other files of the service: an overlay may set what its base names.
    """
    names = known(text).union(*map(known, siblings))
    last = {match[1]: match for match in _ASSIGNMENT.finditer(text)}
    edits: list[tuple[int, int, str]] = []
    appended: list[str] = []
    for key, value in settings.items():
        if key not in names:
            raise SettingsError(_unknown(key, names))
        line = _line(key, value)
        match = last.get(key)
        if match and match[0] not in (line, line.replace('"', "")):
            edits.append((*match.span(), line))
        elif not match and (place := _section_end(text, key)) < len(text):
            edits.append((place, place, f"{line}\n\n"))
        elif not match:
            appended.append(f"{line}\n")
    if appended and text and not text.endswith("\n"):
        appended.insert(0, "\n")
    kept = 0
    pieces = []
    for start, end, line in sorted(edits, key=lambda edit: edit[0]):
        pieces += [text[kept:start], line]
        kept = end
    return "".join([*pieces, text[kept:], *appended])


def lines(settings: Mapping[str, object]) -> str:
    """The settings as lines of their own, for a file that is not there yet."""
    return "".join(f"{_line(key, value)}\n" for key, value in settings.items())


def _line(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SettingsError(f'{key}: write text or a whole number, such as 1 or "YES", where it says {value!r}')
    text = str(value)
    unsafe = _UNSAFE.search(text)
    if unsafe:
        raise SettingsError(
            f'{key}: {unsafe[0]!r} would not reach Courier as written; use no $, `, \\, " or control character'
        )
    if key in _MEANT and not re.fullmatch(_MEANT[key][0], text):
        raise SettingsError(f"{key} cannot be {text!r}: {_MEANT[key][1]}")
    if key in _COMMAND_LINE and not _OPTIONS.fullmatch(text):
        raise SettingsError(
            f"{key}: {text!r} would break couriertcpd's command line; "
            "write options that begin with - and hold no blank and none of ' # & ; | < > ( )"
        )
    if key == "BLACKLISTS" and (mute := _MUTE.search(text)):
        raise SettingsError(
            f"{key}: {mute[0]} has no message, and Courier 1.0.16 refuses nobody then; "
            f"write -block={mute[1]},BLOCK/127.0.0.2,Blacklisted, or have the list in mail_blocklists"
        )
    return f'{key}="{text}"'


def _unknown(key: str, names: Collection[str]) -> str:
    close = get_close_matches(key, sorted(names), 2, 0.75)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{key} is not a setting that Courier reads here{hint}"


def _section_end(text: str, key: str) -> int:
    sections = iter(_SECTION.finditer(text))
    for section in sections:
        if section[1] == key:
            following = next(sections, None)
            return following.start() if following else len(text)
    return len(text)


def _unquote(word: str) -> str:
    return "".join(
        single or _ESCAPED.sub(lambda escape: escape[1].strip("\n"), double) or escaped.strip("\n") or plain
        for single, double, escaped, plain in _PIECE.findall(word)
    )
