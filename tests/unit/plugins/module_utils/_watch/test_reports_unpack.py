from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._watch._reports_text import Refused
from plugins.module_utils._watch._reports_unpack import unpack, whole
from tests.unit.reported import packed, read_or_refused

TEXT = b"<feedback>" + b"x" * 1000 + b"</feedback>"
MANY = 20 << 20


def files(*names, method=zipfile.ZIP_DEFLATED, size=10):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name in names:
            archive.writestr(name, b"x" * size)
    return held.getvalue()


def encrypted():
    """The bit that says so, in both places."""
    held = bytearray(packed(TEXT))
    held[6] |= 1
    held[held.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(held)


def lying():
    """A zip file that says that its directory is small."""
    held = bytearray(files(*(f"{number}" for number in range(1000))))
    at = held.rfind(b"PK\x05\x06")
    struct.pack_into("<HHI", held, at + 8, 1, 1, 60)
    return bytes(held)


def test_opens_what_reports_come_in():
    for one in (TEXT, gzip.compress(TEXT), packed(TEXT), gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:])):
        assert b"".join(unpack(one, 200)) == TEXT


def test_a_gzip_file_may_be_filled_up():
    assert b"".join(unpack(gzip.compress(TEXT) + b"\0" * 100, 200)) == TEXT


def test_a_directory_is_no_second_file():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.mkdir("d")
        archive.writestr("d/report.xml", TEXT)
    assert b"".join(unpack(held.getvalue(), 200)) == TEXT


BAD = {
    "a bomb in gzip": (gzip.compress(b"x" * MANY), "bomb"),
    "a bomb in zip": (packed(b"x" * MANY), "bomb"),
    "gzip within gzip": (gzip.compress(gzip.compress(TEXT)), "bomb"),
    "zip within zip": (packed(packed(TEXT)), "bomb"),
    "zip within gzip": (gzip.compress(packed(TEXT)), "bomb"),
    "two files": (files("a.xml", "b.xml"), "bomb"),
    "no file": (files("d/"), "bomb"),
    "a thousand files": (files(*(f"{number}" for number in range(1000))), "bomb"),
    "a directory that lies": (lying(), "broken"),
    "many streams": (gzip.compress(b"x") * 100, "bomb"),
    "an end that is missing": (gzip.compress(TEXT)[:-12], "broken"),
    "an end of zip that is missing": (packed(TEXT)[:-30], "broken"),
    "a sum that is wrong": (gzip.compress(TEXT)[:-8] + b"\0" * 8, "broken"),
    "a password": (encrypted(), "broken"),
    "an odd method": (files("a", method=zipfile.ZIP_BZIP2), "broken"),
    "another archive": (bz2.compress(TEXT), "broken"),
    "only the mark of gzip": (b"\x1f\x8b", "broken"),
    "only the mark of zip": (b"PK\x03\x04", "broken"),
}


@pytest.mark.parametrize(("given_", "reason"), BAD.values(), ids=BAD)
def test_refuses(given_, reason):
    with pytest.raises(Refused) as refused:
        list(unpack(given_, 200))
    assert refused.value.reason == reason


def test_a_bomb_is_not_opened_further_than_it_may():
    """The pieces until then are not more than what may come out."""
    pieces = unpack(gzip.compress(b"x" * MANY), 10)
    seen = 0
    with contextlib.suppress(Refused):
        for piece in pieces:
            assert len(piece) <= 1 << 16
            seen += len(piece)
    assert 0 < seen <= 1 << 20


def test_what_is_small_may_become_as_large_as_it_likes():
    assert len(whole(unpack(gzip.compress(b"x" * (1 << 20)), 10), 1 << 20)) == 1 << 20


def test_the_whole_has_a_limit():
    with pytest.raises(Refused, match="too large"):
        whole(unpack(TEXT, 200), 100)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", packed(TEXT)[:60]]))
def test_whatever_comes_is_opened_or_refused(junk, start):
    read_or_refused(lambda: list(unpack(start + junk, 200)))


@given(st.data(), st.sampled_from([packed(TEXT), gzip.compress(TEXT), zlib.compress(TEXT)]))
def test_a_damaged_archive_is_opened_or_refused(data, archive):
    held = bytearray(archive)
    for _time in range(data.draw(st.integers(1, 4))):
        held[data.draw(st.integers(0, len(held) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(lambda: list(unpack(bytes(held), 200)))
