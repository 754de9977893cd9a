# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open what a report comes in, a piece at a time, and stop where it becomes more than a report."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from ._reports_text import Refused

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_ARCHIVES = (_GZIP, _ZIP, b"PK\x05\x06", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
_CHUNK = 1 << 16
_FREE = 1 << 20  # bytes, up to which the ratio does not matter: three rows compress better than a thousand
_DIRECTORY = 1 << 12  # bytes of a zip's directory, which is in memory whole
_STREAMS = 8  # of one gzip file


def unpack(packed: bytes, ratio: int) -> Iterator[bytes]:
    """The report in pieces of 64 KiB at most. Raises Refused."""
    if packed.startswith(_GZIP):
        pieces = _gunzip(packed)
    elif packed.startswith(_ZIP):
        pieces = _unzip(packed)
    elif packed.startswith(_ARCHIVES):
        raise Refused("broken", "it is packed in another way than zip and gzip")
    else:
        pieces = (packed[start : start + _CHUNK] for start in range(0, len(packed), _CHUNK))
    most = max(_FREE, ratio * len(packed))
    total = 0
    for piece in pieces:
        if total == 0 and piece.startswith(_ARCHIVES):
            raise Refused("bomb", "there is an archive within the archive")
        total += len(piece)
        if total > most:
            raise Refused("bomb", f"{len(packed)} bytes become more than {most}")
        yield piece


def whole(pieces: Iterator[bytes], most: int) -> bytes:
    """All of it, up to so many bytes."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > most:
            raise Refused("too large", f"it is larger than {most} bytes")
    return bytes(found)


def _gunzip(packed: bytes) -> Iterator[bytes]:
    rest = packed
    for _stream in range(_STREAMS):
        opened = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            while not opened.eof:
                piece = opened.decompress(rest, _CHUNK)
                rest = opened.unconsumed_tail
                if piece:
                    yield piece
                elif not rest and not opened.eof:
                    raise Refused("broken", "the gzip file ends too early")
        except zlib.error as error:
            raise Refused("broken", f"gzip: {error}") from error
        rest = opened.unused_data
        if not rest.startswith(_GZIP):  # zeros or nothing: some fill up to a block
            return
    raise Refused("bomb", f"there are more than {_STREAMS} files in one")


def _unzip(packed: bytes) -> Iterator[bytes]:
    _small_directory(packed)
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            files = [one for one in archive.infolist() if not one.is_dir()]
            if len(files) != 1:
                raise Refused("bomb", f"there are {len(files)} files in the archive; a report is one")
            if files[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused("broken", f"zip: method {files[0].compress_type} is not one of reports")
            with archive.open(files[0]) as stream:
                while piece := stream.read(_CHUNK):
                    yield piece
    # What zipfile raises at bad input is not written down anywhere.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error) as error:
        raise Refused("broken", f"zip: {error or type(error).__name__}") from error


def _small_directory(packed: bytes) -> None:
    """Refuse thousands of files before zipfile makes an object of each."""
    at = packed.rfind(b"PK\x05\x06")
    if at < 0 or len(packed) < at + 22:
        raise Refused("broken", "zip: the directory is missing")
    count, size = struct.unpack_from("<HI", packed, at + 10)
    if size > _DIRECTORY:
        raise Refused("bomb", f"the archive has {count} files, with a directory of {size} bytes; a report is one")
