# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a message, found without building it in memory.

email.parser takes a multiple of the time, holds all of it in memory, and throws away what it finds odd. A filter
wants the opposite: to see a part that any mail program might see. So lines that begin with the boundary of any
multipart of the message, wherever it was declared, begin a part; header fields that are there twice all count; and a
header may have lines in it that are none. The text is mapped, not read.
"""

from __future__ import annotations

import binascii
import email.errors
import email.header
import mmap
import re
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

Text: TypeAlias = "bytes | mmap.mmap"

MOST_PARTS = 10_000
_MOST_COMPARISONS = 5_000_000  # of lines with boundaries, which take a second or two
_HEADER_BYTES = 1 << 20  # of one part
_VALUE = 4096  # characters of a name that are decoded; no file system takes a longer one
_CHUNK = 1 << 18

_FIELD = re.compile(rb"(content-(?:type|disposition|transfer-encoding))[ \t]*:(.*)", re.IGNORECASE | re.DOTALL)
# A delimiter, or the first line of a file in uuencode, which many mail programs show as an attachment.
_MARK = re.compile(rb"\n(?:--([^\n]{1,250})|begin [0-7]{3,4} ([^\r\n]{1,250}))")
_PARAMETER = re.compile(rb';[ \t\r\n]*+([^\s;="]++)[ \t\r\n]*+=[ \t\r\n]*+("(?:[^"\\]|\\.)*+"?|[^;]*+)', re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*?)")
_BLANKS = " \t\r\n"  # and not what Python takes for one in bytes that are UTF-8
_ENCODINGS = ("base64", "quoted-printable", "uuencode", "x-uuencode", "x-uue", "uue")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(set(range(256)) - set(_ALPHABET))


class TooManyParts(Exception):
    """More parts than anybody would write."""


class Part(NamedTuple):
    """One part, or the message itself: what it is called, and where its content is."""

    names: list[str]  # every name that a mail program might give it
    kinds: list[str]  # every type it claims, in lower case
    encoding: str  # base64, quoted-printable, uuencode or whatever is claimed
    start: int
    end: int


def mapped(descriptor: int, size: int) -> Text:
    """The text of a file, to be read and to be let go as any object."""
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b""


def parts(text: Text) -> Iterator[Part]:
    """The message itself and all that is in it, from the top. Raises TooManyParts."""
    for count, part in enumerate(_parts(text)):
        if count >= MOST_PARTS:
            raise TooManyParts
        yield part


def _parts(text: Text) -> Iterator[Part]:
    boundaries: set[bytes] = set()
    comparisons = 0
    part = _part(text, 0, boundaries)
    while True:
        while _is_message(part) and not encoded(part):
            yield part
            part = _part(text, part.start, boundaries)
        lengths = {len(boundary) for boundary in boundaries}
        # The delimiter may be the very first line of the content, after the line end that ends the header.
        search = max(0, part.start - 1)
        while mark := _MARK.search(text, search):
            if mark[2] is not None:
                yield Part(
                    [_text(mark[2])], [], "uuencode", _next_line(text, mark.end()), _uuencode_end(text, mark.end())
                )
            else:
                # Some programs compare whole lines, some only as much as the boundary is long.
                comparisons += len(lengths)
                if comparisons > _MOST_COMPARISONS:
                    raise TooManyParts
                if any(mark[1][:length] in boundaries for length in lengths):
                    break
            search = mark.end()
        yield part._replace(end=max(part.start, mark.start()) if mark else len(text))
        if not mark:
            return
        part = _part(text, _next_line(text, mark.end()), boundaries)


def encoded(part: Part) -> bool:
    """Whether the content is not there as it is."""
    return part.encoding in _ENCODINGS


def content(text: Text, part: Part) -> Iterator[bytes]:
    """The content of a part, decoded, in pieces. What is not of its encoding is passed over, as mail programs do."""
    if part.encoding == "base64":
        yield from _base64(text, part)
    elif part.encoding == "quoted-printable":
        yield from (binascii.a2b_qp(lines) for lines in _lines(text, part))
    elif encoded(part):
        yield from _uuencode(text, part)
    else:
        yield from (text[start : min(start + _CHUNK, part.end)] for start in range(part.start, part.end, _CHUNK))


def _is_message(part: Part) -> bool:
    return any(kind in ("message/rfc822", "message/global", "message/news") for kind in part.kinds)


def _next_line(text: Text, position: int) -> int:
    return text.find(b"\n", position) + 1 or len(text)


def _part(text: Text, position: int, boundaries: set[bytes]) -> Part:
    """The part whose header begins here; it ends nowhere yet. Adds the boundaries that it declares."""
    start = position
    fields: list[bytes] = []
    while position < min(len(text), start + _HEADER_BYTES):
        end = text.find(b"\n", position, start + _HEADER_BYTES)
        line = text[position : end if end >= 0 else start + _HEADER_BYTES]
        position += len(line) + 1
        if not line.strip(b"\r"):
            break
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\n" + line
        else:
            fields.append(line)
    names: list[str] = []
    kinds: list[str] = []
    encodings: list[str] = []
    for field in fields:
        match = _FIELD.match(field)
        if not match:
            continue
        name, value = match[1].lower(), match[2]
        if name == b"content-transfer-encoding":
            encodings += re.findall(r"[a-z0-9-]+", _text(value).lower())[:1]
            continue
        parameters = list(_parameters(value))
        names += _values(parameters, ("filename", "name"))
        if name == b"content-type":
            kinds.append(_text(value.partition(b";")[0]).strip().lower())
            found = {
                one.rstrip(_BLANKS).encode("latin-1")[:200] for one in _values(parameters, ("boundary",), decode=False)
            }
            # Where a multipart names none, some programs take any line for a delimiter that looks like one.
            boundaries |= found - {b""} or ({b""} if kinds[-1].startswith("multipart/") else set())
    position = min(position, len(text))
    known = [one for one in encodings if one in _ENCODINGS]
    return Part(names, kinds, (known or encodings or [""])[0], position, position)


def _parameters(value: bytes) -> Iterator[tuple[str, str]]:
    for match in _PARAMETER.finditer(value):
        text = match[2].decode("latin-1")
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:].removesuffix('"'), flags=re.DOTALL)
        yield match[1].decode("latin-1").lower(), re.sub(r"\r?\n[ \t]*", " ", text).strip(_BLANKS)


def _values(parameters: list[tuple[str, str]], wanted: tuple[str, ...], *, decode: bool = True) -> list[str]:
    """All values of a parameter, as it is, in sections and in a charset (RFC 2231), and in encoded words (RFC 2047)."""
    found: list[str] = []
    sections: dict[str, list[tuple[int, str, str]]] = {}
    for name, value in parameters:
        match = _SECTION.fullmatch(name)
        if not match or match[1] not in wanted:
            continue
        if not match[2] and not match[3]:
            found += _decoded(value) if decode else [value]
        else:
            sections.setdefault(match[1], []).append((int(match[2] or 0), match[3], value))
    for pieces in sections.values():
        pieces.sort(key=lambda piece: piece[0])
        raw = b""
        charset = "utf-8"
        for number, star, value in pieces:
            text = value
            if star and number == 0 and value.count("'") >= 2:
                charset, _language, text = value.split("'", 2)
            raw += urllib.parse.unquote_to_bytes(text.encode("latin-1")) if star else text.encode("latin-1")
        if decode:
            whole = _in(charset, raw)
            found += [whole, *_decoded(whole)]
        else:
            found.append(raw.decode("latin-1"))
    return found


def _decoded(value: str) -> list[str]:
    """A value as it is, in bytes beyond ASCII, and what its encoded words say."""
    value = value[-_VALUE:]
    try:
        plain = value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        plain = value
    if "=?" not in value:
        return [plain]
    try:
        words = [
            _in(charset or "utf-8", word) if isinstance(word, bytes) else word
            for word, charset in email.header.decode_header(plain)
        ]
    except (ValueError, email.errors.HeaderParseError):
        return [plain]
    return [plain, "".join(words)]


def _in(charset: str, raw: bytes) -> str:
    try:
        return raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return raw.decode("latin-1")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _lines(text: Text, part: Part) -> Iterator[bytes]:
    """The content in pieces that end where a line does, if lines are not endless."""
    position = part.start
    while position < part.end:
        end = text.rfind(b"\n", position, min(position + _CHUNK, part.end)) + 1 or min(position + _CHUNK, part.end)
        yield text[position:end]
        position = end


def _base64(text: Text, part: Part) -> Iterator[bytes]:
    rest = b""
    for start in range(part.start, part.end, _CHUNK):
        pieces = (rest + text[start : min(start + _CHUNK, part.end)].translate(None, _NOT_BASE64)).split(b"=")
        # What stands before a padding is whole. More may come after it, of files that were put one behind the other.
        yield b"".join(_unpadded(piece) for piece in pieces[:-1])
        whole = len(pieces[-1]) // 4 * 4
        yield binascii.a2b_base64(pieces[-1][:whole])
        rest = pieces[-1][whole:]
    yield _unpadded(rest)


def _unpadded(piece: bytes) -> bytes:
    piece = piece[: len(piece) - (len(piece) % 4 == 1)]
    return binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))


def _uuencode(text: Text, part: Part) -> Iterator[bytes]:
    for lines in _lines(text, part):
        for line in lines.splitlines():
            try:
                yield binascii.a2b_uu(line)
            except binascii.Error:
                continue


def _uuencode_end(text: Text, start: int) -> int:
    end = text.find(b"\nend", start)
    return end if end >= 0 else len(text)
