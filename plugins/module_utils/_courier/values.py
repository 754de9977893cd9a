# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's files of one value each: me, queuetime, sizelimit, enablefiltering, module.esmtp, dsnfailed.txt, bofh ...

Courier reads them without a word of complaint and takes what it can make of them: 25M is 25 bytes, abc is no time at
all, and a blank at the end of a name belongs to the name. Rules and defaults are those of courier/libs (cread1l.c,
comreadtime.c, comsizelimit.c, comconfig.c, combatchsize.c), cddrvinfo.C, submit.C and module.dsn/dsn.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from email.header import Header
from typing import NamedTuple, Protocol

from . import bofh
from .domains import normalise, to_ascii

Value = str | int | list[str] | dict[str, int] | None  # pylint: disable=unsupported-binary-operation

_LINE_BYTES = 255  # what config_read1l reads of a file
_TEXT_LINE_BYTES = 998  # of a line in a message, RFC 5322
_FROM = re.compile(r'"?([^"<>]*?)"? *<([!-~]+)>')
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}
_TIME = re.compile(r"(?=[0-9])(?:[0-9]{1,9} *[wdhms] *)*(?:[0-9]{1,9})?", re.IGNORECASE | re.ASCII)
_TIME_PART = re.compile(r"\s*([0-9]*)\s*([wdhms]|\Z)", re.IGNORECASE | re.ASCII)
_SIZE_UNIT = re.compile(r"([0-9]+) *([kmg])i?b?", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


class ValuesError(ValueError):
    """A value that Courier would misread, or a file that it does not read."""


class Kind(Protocol):
    """How the text of a file says its value."""

    def render(self, value: object) -> str | None:
        """The text, or None where the value is said by having no file. Raises ValueError, the file's name left out."""

    def parse(self, text: str) -> Value:
        """The value as Courier reads it."""


class Line(NamedTuple):
    """One line, taken as it is."""

    pattern: str = r"\S(?:.*\S)?"
    accepted: str = "one line without blanks at its ends"

    def render(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value) or re.search(r"[\x00-\x1f\x7f]", value):
            raise ValuesError(f"{value!r} is not {self.accepted}")
        size = len(value.encode(errors="surrogateescape"))
        if size > _LINE_BYTES:
            raise ValuesError(f"the line has {size} bytes; write at most {_LINE_BYTES}")
        return f"{value}\n"

    def parse(self, text: str) -> str:
        return _first_line(text)


class From(NamedTuple):
    """The sender of notices. courierdsn prints it as it is, so a name beyond ASCII is encoded here (RFC 2047)."""

    def render(self, value: object) -> str:
        line = Line().render(value)
        text = line.removesuffix("\n")
        match = _FROM.fullmatch(text)
        if text.isascii():
            return line
        if not match:
            raise ValuesError(f"{text!r} is not a name and an address; write Name <address>, the address in ASCII")
        return Line().render(f"{_encoded(match[1])} <{match[2]}>")

    def parse(self, text: str) -> str:
        return _first_line(text)


class Subject(NamedTuple):
    """The subject of notices, encoded in the same way. Several, in several languages, stand side by side."""

    def render(self, value: object) -> str:
        subjects = value if isinstance(value, list) and value else [value]
        return Line().render(_encoded(" / ".join(Line().render(subject).removesuffix("\n") for subject in subjects)))

    def parse(self, text: str) -> str:
        return _first_line(text)


class Host(NamedTuple):
    """A host name, in the spelling that Courier compares."""

    prefix: str = ""  # what may stand before a name
    instead: str = ""  # what may stand instead of one

    def render(self, value: object) -> str:
        line = Line().render(value)
        text = line.removesuffix("\n")
        name = text.removeprefix(self.prefix)
        if text != self.instead and name.removeprefix(".") not in (normalise(name), to_ascii(name)):
            raise ValuesError(
                f"{text!r} is not how Courier spells the host; write {normalise(name).removeprefix('.')!r}"
            )
        return line

    def parse(self, text: str) -> str:
        return _first_line(text)


class Time(NamedTuple):
    """A time, in seconds or with units. Read as a number of seconds."""

    minimum: int = 0

    def render(self, value: object) -> str:
        text = _written(value)
        if not _TIME.fullmatch(text):
            raise ValuesError(f"{text!r} is not a time; write numbers with w, d, h, m or s, such as 2d12h")
        if self.parse(text) < self.minimum:
            raise ValuesError(f"{text!r} leaves Courier no time; write at least {self.minimum}s")
        return f"{text}\n"

    def parse(self, text: str) -> int:
        line = _first_line(text)
        seconds = position = 0
        while position < len(line) and (match := _TIME_PART.match(line, position)):
            seconds += int(match[1] or 0) * _UNITS[match[2].lower()]
            position = match.end()
        return seconds


class Size(NamedTuple):
    """A number of bytes."""

    def render(self, value: object) -> str:
        text = _written(value)
        if not re.fullmatch(r"[0-9]{1,18}", text):
            unit = _SIZE_UNIT.fullmatch(text)
            advice = int(unit[1]) * _SIZE_UNITS[unit[2].lower()] if unit else "a number, such as 26214400"
            raise ValuesError(f"Courier would read {text!r} as {self.parse(text)} bytes; write {advice}")
        return f"{text}\n"

    def parse(self, text: str) -> int:
        return _leading_number(_first_line(text))


class Number(NamedTuple):
    """A whole number."""

    minimum: int

    def render(self, value: object) -> str:
        text = _written(value)
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < self.minimum:
            raise ValuesError(f"{text!r} is not a whole number of at least {self.minimum}")
        return f"{text}\n"

    def parse(self, text: str) -> int:
        return _leading_number(_first_line(text))


class Flag(NamedTuple):
    """True when the file is there, whatever it holds."""

    def render(self, value: object) -> str | None:
        if not isinstance(value, bool):
            raise ValuesError(f"{value!r} is neither true nor false")
        return "" if value else None

    def parse(self, text: str) -> bool:
        return True


class Words(NamedTuple):
    """Words out of a few, on one line."""

    choices: tuple[str, ...]

    def render(self, value: object) -> str:
        if not isinstance(value, list) or not all(word in self.choices for word in value):
            raise ValuesError(f"{value!r} is not a list out of {', '.join(self.choices)}")
        return " ".join(value) + "\n"

    def parse(self, text: str) -> list[str]:
        return _first_line(text).split()


class Module(NamedTuple):
    """How many deliveries one of courierd's modules runs at a time. Read with all limits, written with some of them."""

    name: str
    priority: int
    limits: dict[str, int]  # and the values of the package

    def render(self, value: object) -> str:
        if not isinstance(value, dict) or not self.limits.keys() >= value.keys():
            raise ValuesError(f"{value!r} is not a dictionary of {', '.join(self.limits)}")
        for key, limit in value.items():
            if not re.fullmatch(r"[1-9][0-9]{0,8}", _written(limit)):
                raise ValuesError(f"{key} is {limit!r}; write a whole number of at least 1")
        # courierd crashes on an empty line or a comment, and starts no module without PROG.
        lines = {"NAME": self.name, "PRIORITY": self.priority, "PROG": f"./courier{self.name}", **self.limits, **value}
        return "".join(f"{key}={entry}\n" for key, entry in lines.items())

    def parse(self, text: str) -> dict[str, int]:
        found = dict.fromkeys(self.limits, 1)
        for line in text.split("\n"):
            words = re.findall(r"[^ \t\r=]+", line.partition("#")[0])
            if len(words) > 1 and words[0] in found:
                found[words[0]] = _leading_number(words[1])
        return found


class Text(NamedTuple):
    """A text of many lines, or several of them in several languages, one below the other.

    The complaint says what is wrong with it, if anything is. The header is put before a text that has none.
    """

    complaint: Callable[[str], str | None] = lambda _text: None
    header: str = ""

    def render(self, value: object) -> str:
        whole = "\n".join(map(_ended, value if isinstance(value, list) and value else [value]))
        if not whole.startswith("Content-"):
            whole = self.header + whole
        complaint = self.complaint(whole)
        if complaint:
            raise ValuesError(complaint)
        longest = max(len(line.encode()) for line in whole.split("\n"))
        if longest > _TEXT_LINE_BYTES:
            raise ValuesError(f"a line has {longest} bytes; a line of mail has {_TEXT_LINE_BYTES} at most")
        return whole

    def parse(self, text: str) -> str:
        return text


class Bofh(NamedTuple):
    """The rules of bofh, one per line."""

    def render(self, value: object) -> str:
        if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
            raise ValuesError("write a list of lines, such as [maxrcpts 20 hard]")
        text = bofh.render(value)
        bofh.refuse_for_own(value)
        return text

    def parse(self, text: str) -> list[str]:
        return bofh.parse(text)


_HEADER = 'Content-Type: text/plain; charset="utf-8"\n\n'


def _headless(text: str) -> str | None:
    # courierdsn prints this text right after a Content-Transfer-Encoding (7bit, unless an address is not): the rest of
    # the part's own header is expected here.
    if re.match(r"Content-Type: *text/[^\n]*\n(?:[^\n]+\n)*\n", text, re.IGNORECASE):
        return None
    return f"the MIME header that the text begins with is not {_HEADER.strip()} and an empty line; leave it out"


def _misformatted(text: str) -> str | None:
    # courierdsn hands this text to printf with one argument, the name of the server.
    unescaped = text.replace("%%", "")
    directive = re.search(r"%(?!s).{0,9}", unescaped)
    if directive:
        return f"{directive[0]!r} is a printf directive to Courier; write %% for a percent sign"
    if unescaped.count("%s") > 1:
        return "%s stands for the name of the server and can be used once; write the name elsewhere"
    return None


class File(NamedTuple):
    kind: Kind
    default: str | None  # what Courier does without the file, or None where it does not run without it


_ESMTP = Module("esmtp", 50, {"MAXDELS": 40, "MAXHOST": 4, "MAXRCPT": 100})
# courierlocal and courierdsn exit when MAXRCPT is more than 1.
_LOCAL = Module("local", 10, {"MAXDELS": 10, "MAXHOST": 4})
_DSN = Module("dsn", 99, {"MAXDELS": 4, "MAXHOST": 1})

FILES = {
    # names
    "me": File(Host(prefix="*."), "the system's host name"),
    "defaultdomain": File(Host(), "me"),
    "msgidhost": File(Host(), "me"),
    "esmtphelo": File(Host(instead="*"), "me"),
    "esmtpgreeting": File(Line(), "me and the word ESMTP"),
    "locallowercase": File(Flag(), "local parts differ by case"),
    "defaultsep": File(Line(r"[!-/:-?\[-`{-~]+", "a row of punctuation marks, such as +"), "+"),
    # reception
    "sizelimit": File(Size(), "10485760"),
    "batchsize": File(Number(1), "100"),
    "bofh": File(Bofh(), "no rules"),
    "enablefiltering": File(Words(("esmtp", "local", "uucp")), "nothing is filtered"),
    "maildropfilter": File(Line(r"/\S+", "an absolute path"), "recipients have no filters"),
    "submitdelay": File(Time(), "0"),
    # the queue
    "queuetime": File(Time(1), "1w"),
    "warntime": File(Time(), "4h"),
    "queuelo": File(Number(20), "200, or more when the modules run more"),
    "queuehi": File(Number(20), "twice queuelo, or 1000 more from 500 on"),
    "queuefill": File(Time(), "5m"),
    "respawnlo": File(Time(1), "1h"),
    "respawnhi": File(Time(1), "1w"),
    "retryalpha": File(Time(1), "5m"),
    "retrybeta": File(Number(1), "3"),
    "retrygamma": File(Time(1), "15m"),
    "retrymaxdelta": File(Number(0), "3"),
    # delivery
    "backuprelay": File(Host(), "no relay"),
    "localtimeout": File(Time(1), "15m"),
    "esmtpdelay": File(Time(), "5m"),
    "esmtptimeout": File(Time(1), "10m"),
    "esmtptimeoutconnect": File(Time(), "1m"),
    "esmtptimeoutdata": File(Time(1), "5m"),
    "esmtptimeouthelo": File(Time(1), "5m"),
    "esmtptimeoutkeepalive": File(Time(), "1m"),
    "esmtptimeoutkeepaliveping": File(Time(), "0"),
    "esmtptimeoutquit": File(Time(1), "10s"),
    "module.dsn": File(_DSN, None),
    "module.esmtp": File(_ESMTP, None),
    "module.local": File(_LOCAL, None),
    # delivery status notifications
    "dsnfrom": File(From(), "Courier mail server at me, with an empty address"),
    "dsnlimit": File(Size(), "32768"),
    "dsndelayed.txt": File(Text(_misformatted), None),
    "dsndelivered.txt": File(Text(), None),
    "dsnfailed.txt": File(Text(), None),
    "dsnfooter.txt": File(Text(), None),
    "dsnheader.txt": File(Text(_headless, _HEADER), None),
    "dsnrelayed.txt": File(Text(), None),
    "dsnsubjectnotice.txt": File(Subject(), None),
    "dsnsubjectwarn.txt": File(Subject(), None),
}


def render(name: str, value: object) -> str | None:
    """The text of the file, or None where there shall be no file. A value of None asks for Courier's default."""
    file = FILES.get(name)
    if file is None:
        close = get_close_matches(name, FILES, 2, 0.75)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValuesError(f"{name} is not a file that this module writes{hint}")
    if file.default is None and value in (None, "", []):
        raise ValuesError(f"{name}: Courier does not run without this file; write its value")
    if value is None:
        return None
    if value == "":
        raise ValuesError(f"{name}: an empty file is not Courier's default ({file.default}); write null for that")
    try:
        return file.kind.render(value)
    except ValueError as error:
        raise ValuesError(f"{name}: {error}") from error


def parse(name: str, text: str) -> Value:
    """What Courier takes the text of the file for."""
    return FILES[name].kind.parse(text)


def _written(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValuesError(f"{value!r} is neither a number nor text")
    return str(value)


def _ended(text: object) -> str:
    if not isinstance(text, str):
        raise ValuesError(f"{text!r} is not a text")
    return text if text.endswith("\n") else f"{text}\n"


def _encoded(text: str) -> str:
    """A text as a header can have it, in one line."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=75).encode(linesep="")


def _first_line(text: str) -> str:
    """What config_read1l returns: blanks and CR stay."""
    line = text.partition("\n")[0].encode(errors="surrogateescape")[:_LINE_BYTES]
    return line.decode(errors="surrogateescape")


def _leading_number(text: str) -> int:
    """What atoi makes of a text."""
    match = re.match(r"\s*([+-]?[0-9]+)", text)
    return int(match[1]) if match else 0
