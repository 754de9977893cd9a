# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair headers that are not what they should be.

Old programs write bytes beyond ASCII into header fields as they are, and leave out Date, Message-ID or MIME-Version.
What is mended is named in X-Courier-Mail-Repaired. The body stays what it is, byte for byte, and so does every message
that is signed or sealed, since a repair would break the signature, and one that came by SMTPUTF8, where bytes beyond
ASCII are right.

Courier rewrites MIME itself, unless the file courierd says `opt MIME=none`. Then it has judged and changed the message
before this filter sees it, which would not see what came. So this filter needs that line.
"""

from __future__ import annotations

import codecs
import email.header
import email.utils
import re
import socket
import time
from dataclasses import dataclass, field
from functools import partial

from ._message import Field, Message
from ._settings import refuse
from ._verdict import PASS, Verdict

REPAIRED = "X-Courier-Mail-Repaired"
REPAIRS = ("headers", "date", "message_id", "mime")
_CHUNK = 1 << 18
_SIGNATURES = (
    "dkim-signature",
    "domainkey-signature",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
)
_SIGNED = re.compile(
    r"multipart/(signed|encrypted)|application/(x-)?pkcs7-(mime|signature)|application/pgp", re.IGNORECASE
)
_TEXTS = {"subject", "comments", "keywords", "content-description", "organization", "user-agent"}
_ADDRESSES = {"from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to", "resent-cc"}
# Of a field with addresses: quoted text, a comment, an address, what separates, blanks, a word.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|\((?:[^()\\]|\\.)*+\)|<[^>]*+>|[,;:]|\s++|[^\s",;:()<>]++|.', re.DOTALL)
_LONGEST = 20_000  # bytes of a field that is looked at


@dataclass(frozen=True)
class Settings:
    """What is mended."""

    # headers: bytes beyond ASCII become encoded words. date, message_id: added where missing. mime: MIME-Version, and
    # the charset where the body is UTF-8 and says nothing.
    repairs: list[str] = field(default_factory=lambda: list(REPAIRS))
    host: str = ""  # what stands behind the @ of a new Message-ID; empty is the name of this host

    def __post_init__(self) -> None:
        for one in self.repairs:
            if one not in REPAIRS:
                refuse("repairs", one, f"some of {', '.join(REPAIRS)}")
        if not re.fullmatch(r"[A-Za-z0-9.-]*", self.host):
            refuse("host", self.host, "the name of a host, such as mail.example.com")


class Filter:
    """Mends what it can, and lets everything in."""

    def __init__(self, settings: Settings) -> None:
        self._repairs = settings.repairs
        self._host = settings.host or socket.gethostname()

    def check(self, message: Message) -> Verdict:
        if is_signed(message):
            return Verdict(note="signed")
        # Courier's own line is the first. Its record m says only that there are bytes beyond ASCII, however they came.
        international = any(re.search(r"\bwith UTF8SMTP", value) for value in message.values("received")[:1])
        message.remove(REPAIRED)
        done: list[str] = []
        if "headers" in self._repairs and not international:
            done += self._headers(message)
        names = {one.name for one in message.fields}
        if "date" in self._repairs and "date" not in names:
            message.add("Date", email.utils.formatdate(time.time(), localtime=True))
            done.append("date")
        if "message_id" in self._repairs and "message-id" not in names:
            message.add("Message-ID", email.utils.make_msgid(domain=self._host))
            done.append("message-id")
        if "mime" in self._repairs and not international and "mime-version" not in names:
            done += self._mime(message, names)
        if not done:
            return PASS
        message.add(REPAIRED, ", ".join(done))
        return Verdict(note=f"repaired {', '.join(done)}")

    def _headers(self, message: Message) -> list[str]:
        charset = _charset(message)
        done = []
        for number, one in enumerate(message.fields):
            raw = repaired(one, charset)
            if raw != one.raw:
                message.replace(number, raw)
                done.append(one.name)
        return list(dict.fromkeys(done))

    def _mime(self, message: Message, names: set[str]) -> list[str]:
        if names & {"content-type", "content-transfer-encoding"}:
            message.add("MIME-Version", "1.0")
            return ["mime-version"]
        if not _is_utf8_text(message):
            return []
        # add() puts each on top of the last.
        message.add("Content-Transfer-Encoding", "8bit")
        message.add("Content-Type", "text/plain; charset=utf-8")
        message.add("MIME-Version", "1.0")
        return ["mime-version", "content-type"]


def is_signed(message: Message) -> bool:
    """Whether a change might break a signature."""
    return any(one.name in _SIGNATURES for one in message.fields) or any(
        _SIGNED.match(value) for value in message.values("content-type")
    )


def repaired(one: Field, charset: str = "") -> bytes:
    """A field in ASCII, as far as it may be; what cannot be put right stays as it is.

    Bytes are UTF-8 if they can be, else of the charset of the message, else of Windows' Western one.
    """
    if one.raw.isascii() or len(one.raw) > _LONGEST:
        return one.raw
    name, _colon, rest = one.raw.partition(b":")
    text, used = _text(re.sub(rb"\r?\n(?=[ \t])", b"", rest).strip(), charset)
    label = name.decode("ascii")
    if one.name in _TEXTS or one.name.startswith("x-"):
        value = email.header.Header(text, used, maxlinelen=76, header_name=label).encode()
    elif one.name in _ADDRESSES:
        encoded = _addresses(text, used)
        if not encoded.isascii():
            return one.raw
        value = encoded
    else:
        return one.raw
    return f"{label}: {value}\n".encode("ascii")


def _addresses(text: str, charset: str) -> str:
    """Addresses with the names beside them in encoded words. The addresses themselves stay."""
    written: list[str] = []
    words = ""  # that were encoded last, if nothing but a blank came after
    for token in _TOKEN.findall(text):
        if token.isascii() or token.startswith("<") or "@" in token:
            written.append(token)
            words = words if token.isspace() else ""
        elif token.startswith('"'):
            written.append(_words(re.sub(r"\\(.)", r"\1", token[1:-1]), charset))
            words = ""
        elif token.startswith("("):
            written.append(f"({_words(token[1:-1], charset)})")
            words = ""
        else:
            # The blank between two encoded words is not shown, so both become one.
            if words and written[-1].isspace():
                del written[-2:]
                token = f"{words} {token}"  # noqa: PLW2901
            written.append(_words(token, charset))
            words = token
    return "\n ".join(_folded("".join(written)))


def _words(text: str, charset: str) -> str:
    return email.header.Header(text, charset, maxlinelen=70).encode(linesep="\n").replace("\n", "")


def _folded(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) > 75:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{word}"
    return lines


def _text(raw: bytes, charset: str) -> tuple[str, str]:
    for one in ("utf-8", charset, "windows-1252"):
        try:
            return raw.decode(one), one
        except (LookupError, ValueError):
            continue
    return raw.decode("iso-8859-1"), "iso-8859-1"


def _charset(message: Message) -> str:
    """What the message says of its body, if Python knows it."""
    for value in message.values("content-type"):
        match = re.search(r'charset="?([A-Za-z0-9._-]+)', value, re.IGNORECASE)
        try:
            if match and codecs.lookup(match[1]).name not in ("utf-16", "utf-32", "utf-7", "ascii"):
                return match[1].lower()
        except LookupError:
            continue
    return ""


def _is_utf8_text(message: Message) -> bool:
    """Whether the body has bytes beyond ASCII, and all of them are UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    beyond = False
    with message.open() as stream:
        stream.seek(message.body)
        try:
            for chunk in iter(partial(stream.read, _CHUNK), b""):
                beyond = beyond or not chunk.isascii()
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return beyond
