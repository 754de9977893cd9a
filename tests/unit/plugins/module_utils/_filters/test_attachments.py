"""Names of files, wherever a mail program might find them, and in archives."""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import time
import tracemalloc
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._filters import attachments as module
from plugins.module_utils._filters._parts import Part, content, parts
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters.attachments import Filter, Settings, variants


@pytest.fixture
def check(letter):
    """The verdict on a text."""

    def ask(text, to=("alice@example.com",), **settings):
        message = letter(text, to=to)
        verdict = Filter(build(Settings, settings)).check(message)
        assert Path(message.text).read_bytes() == text
        return verdict

    return ask


def multipart(*headers, body=b"x", boundary=b"b"):
    """A message whose second part has this header."""
    return (
        b'Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="%s"\n\n'
        b"--%s\nContent-Type: text/plain\n\n"
        b"hello\n--%s\n%s\n\n%s\n--%s--\n" % (boundary, boundary, boundary, b"\n".join(headers), body, boundary)
    )


def attached(name, data, encoding=b"base64"):
    coded = {
        b"base64": base64.encodebytes(data),
        b"quoted-printable": binascii.b2a_qp(data, istext=False),
        b"8bit": data,
        b"x-uuencode": b"".join(binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)),
    }[encoding]
    return multipart(
        b"Content-Type: application/octet-stream",
        b"Content-Disposition: attachment; filename=" + name.encode(),
        b"Content-Transfer-Encoding: " + encoding,
        body=coded,
    )


DISPOSITION, TYPE = b"Content-Disposition: attachment; ", b"Content-Type: application/x; "

NAMED = {
    "as a filename": multipart(DISPOSITION + b'filename="x.exe"'),
    "as a name": multipart(TYPE + b'name="x.exe"'),
    "without quotes": multipart(DISPOSITION + b"filename=x.exe"),
    "without quotes, with blanks": multipart(DISPOSITION + b"filename=an x.exe ; size=3"),
    "in capitals": multipart(b'CONTENT-DISPOSITION: ATTACHMENT; FILENAME="X.EXE"'),
    "without its second quote": multipart(DISPOSITION + b'filename="x.exe'),
    "with escaped quotes": multipart(DISPOSITION + rb'filename="a\"b\".e\xe"'),
    "the second of two": multipart(DISPOSITION + b"filename=a.pdf; filename=x.exe"),
    "the first of two": multipart(DISPOSITION + b"filename=x.exe; filename=a.pdf"),
    "in a second field": multipart(DISPOSITION + b"filename=a.pdf", DISPOSITION + b"filename=x.exe"),
    "in one of the two fields": multipart(TYPE + b"name=a.pdf", DISPOSITION + b"filename=x.exe"),
    "folded": multipart(b'Content-Disposition: attachment;\n filename=\n\t"x.exe"'),
    "with a charset": multipart(DISPOSITION + b"filename*=utf-8''%78%2e%65xe"),
    "with a charset in the wrong place": multipart(DISPOSITION + b"filename*0*=utf-8''x; filename*1*=%2eexe"),
    "in sections": multipart(DISPOSITION + b'filename*0="x."; filename*1="exe"'),
    "in sections out of order": multipart(DISPOSITION + b'filename*1="exe"; filename*0="x."'),
    "an encoded word": multipart(DISPOSITION + b'filename="=?utf-8?Q?x=2Eexe?="'),
    "encoded words": multipart(DISPOSITION + b'filename="=?utf-8?B?eC4=?=\n =?us-ascii?Q?exe?="'),
    "encoded words in an unknown charset": multipart(DISPOSITION + b'filename="=?x-none?Q?x=2Eexe?="'),
    "with dots and blanks behind": multipart(DISPOSITION + b'filename="x.exe. . "'),
    "with a NUL behind": multipart(DISPOSITION + b"filename*=utf-8''x.exe%00.txt"),
    "with a stream behind": multipart(DISPOSITION + b'filename="x.exe:a.txt"'),
    "in wide letters": multipart(DISPOSITION + 'filename="x\uff0e\uff45\uff58\uff45"'.encode()),
    "with a direction": multipart(DISPOSITION + 'filename="x\u202etxt.e\u200bxe"'.encode()),
    "with two extensions": multipart(DISPOSITION + b'filename="invoice.pdf          .exe"'),
    "below a path": multipart(DISPOSITION + rb'filename="C:\\a.txt\\x.exe"'),
    "of the message itself": b"Content-Type: application/octet-stream; name=x.exe\n\nMZ\n",
    "CRLF": multipart(DISPOSITION + b'filename="x.exe"').replace(b"\n", b"\r\n"),
    "lines that are no fields before it": multipart(b"no field", DISPOSITION + b'filename="x.exe"'),
    "in a part in a part": multipart(
        b"Content-Type: multipart/mixed; boundary=c", body=b"\n--c\n" + DISPOSITION + b"filename=x.exe\n\nMZ\n--c--"
    ),
    "in a message in a message": multipart(
        b"Content-Type: message/rfc822", body=multipart(DISPOSITION + b"filename=x.exe", boundary=b"c")
    ),
    "of a message in a message": multipart(b"Content-Type: message/rfc822", body=TYPE + b"name=x.exe\n\nMZ"),
    "in a message that is encoded": multipart(
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
        body=base64.encodebytes(multipart(DISPOSITION + b"filename=x.exe", boundary=b"c")),
    ),
    "in a message that is a file": multipart(
        DISPOSITION + b"filename=x.eml",
        b"Content-Transfer-Encoding: base64",
        body=base64.encodebytes(multipart(DISPOSITION + b"filename=x.exe", boundary=b"c")),
    ),
    "behind the end": multipart(b"Content-Type: text/plain") + b"\n--b\n" + DISPOSITION + b"filename=x.exe\n\n",
    "with a boundary in a charset": multipart(DISPOSITION + b"filename=x.exe").replace(
        b'boundary="b"', b"boundary*=us-ascii''%62"
    ),
    "with a boundary in sections": multipart(DISPOSITION + b"filename=x.exe", boundary=b"bc").replace(
        b'boundary="bc"', b"boundary*0=b; boundary*1=c"
    ),
    "with two boundaries": multipart(DISPOSITION + b"filename=x.exe").replace(
        b'boundary="b"', b"boundary=a; boundary=b"
    ),
    "without a boundary": multipart(DISPOSITION + b"filename=x.exe").replace(b'; boundary="b"', b""),
    "behind a boundary that goes on": multipart(DISPOSITION + b"filename=x.exe").replace(
        b"--b\nContent-D", b"--bb\nContent-D"
    ),
    "in uuencode": b"Subject: x\n\nhello\nbegin 644 x.exe\n#35IP\n`\nend\n",
    "a long way into a part": multipart(b"X: " + b"y" * 100_000, DISPOSITION + b"filename=x.exe"),
    "behind a long line": multipart(DISPOSITION + b"filename=x.exe").replace(b"hello", b"h" * 300_000),
}

PASSES = {
    "a document": multipart(DISPOSITION + b"filename=x.pdf"),
    "an extension that is not the last": multipart(DISPOSITION + b"filename=x.exe.pdf"),
    "a name without a dot": multipart(DISPOSITION + b"filename=exe"),
    "a path like a program": multipart(DISPOSITION + b"filename=example.com/readme.txt"),
    "no name": multipart(b"Content-Type: application/x-msdownload"),
    "a word in a text": multipart(b"Content-Type: text/plain", body=b"begin x.exe\nfilename=x.exe\n--\nx.exe"),
    "a part that is quoted": multipart(b"Content-Type: text/plain", body=b"--c\n" + DISPOSITION + b"filename=x.exe\n"),
    "no header": b"\nhello\n",
    "nothing": b"",
    "boundaries that are none": b"Content-Type: multipart/mixed; boundary=\n\n--\n--\nA: 1\n",
}


@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED)
def test_finds_a_name(check, text):
    verdict = check(text)
    assert verdict.action == "refuse"
    assert verdict.reply.startswith("554 5.7.1 Files of this kind are not accepted here: ")
    assert verdict.reply.isascii()
    assert verdict.reply.isprintable()


@pytest.mark.parametrize("text", PASSES.values(), ids=PASSES)
def test_lets_others_pass(check, text):
    assert check(text) == ("pass", "", "")


@pytest.mark.parametrize("extension", Settings().extensions)
def test_the_list_of_the_outline(check, extension):
    assert check(multipart(DISPOSITION + b"filename=x." + extension.encode())).action == "refuse"


def test_what_email_writes_is_found(check):
    letter = EmailMessage()
    letter["Subject"] = "x"
    letter.set_content("hello")
    letter.add_attachment(b"MZ", maintype="application", subtype="octet-stream", filename="Überweisung" * 20 + ".exe")
    inner = letter.as_bytes()
    assert check(inner).action == "refuse"
    assert check(inner.replace(b".exe", b".txt")).action == "pass"


def test_patterns_are_searched(check):
    text = multipart(DISPOSITION + b"filename=Invoice-2026.html")
    assert check(text, patterns=[r"^invoice.*\.html?$"]).action == "refuse"
    assert check(text, patterns=[r"^voice"]).action == "pass"
    assert check(text, extensions=[]).action == "pass"


@given(st.text(st.sampled_from("./\\ :\0\u202e") | st.characters()))
def test_any_text_is_a_name(name):
    for one in variants(name):
        assert not one.endswith((".", " "))
        assert "/" not in one
        assert "\0" not in one


# Archives.


def zipped(*names, data=b"MZ", method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name in names:
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(*names, data=b"MZ"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def directory_in_tar(name):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    return stream.getvalue()


def encrypted(data):
    """The same zip, claiming that its files are encrypted."""
    data = bytearray(data)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(magic, at + 4)
    return bytes(data)


def gzipped(data, name=""):
    stream = io.BytesIO()
    with gzip.GzipFile(name, "w", fileobj=stream) as file:
        file.write(data)
    return stream.getvalue()


LOCAL = zipped("a.txt").replace(b"a.txt", b"x.exe", 1)  # the list at the end says a.txt
HIDING = {
    "a zip": ("x.zip", zipped("a.txt", "dir/x.exe")),
    "a zip by another name": ("x.dat", zipped("x.exe")),
    "a zip with encrypted files": ("x.zip", encrypted(zipped("x.exe"))),
    "a zip with something before it": ("x.zip", b"hello" + zipped("x.exe")),
    "a zip with two names for a file": ("x.zip", LOCAL),
    "the other two names": ("x.zip", zipped("x.exe").replace(b"x.exe", b"a.txt", 1)),
    "half a zip": ("x.zip", zipped("x.exe", "a.txt")[:40]),
    "a name that ends with NUL": ("x.zip", zipped("x.exeZ.txt").replace(b"x.exeZ.txt", b"x.exe\0.txt")),
    "a document with a program": ("x.docx", zipped("word/document.xml", "word/x.exe")),
    "a tar": ("x.tar", tarred("a.txt", "x.exe")),
    "a tar by another name": ("x.dat", tarred("x.exe")),
    "a tar.gz": ("x.tar.gz", gzipped(tarred("a.txt", "x.exe"))),
    "a tgz": ("x.tgz", gzipped(tarred("x.exe"))),
    "a tar.bz2": ("x.tar.bz2", bz2.compress(tarred("x.exe"))),
    "a tar.xz": ("x.tar.xz", lzma.compress(tarred("x.exe"))),
    "a compressed file": ("x.exe.gz", gzipped(b"MZ")),
    "a compressed file that remembers its name": ("x.gz", gzipped(b"MZ", "x.exe")),
    "a zip in a zip": ("x.zip", zipped("y.zip", data=zipped("x.exe"))),
    "a tar.gz in a zip": ("x.zip", zipped("y.tgz", data=gzipped(tarred("x.exe")))),
    "a zip in a tar": ("x.tar", tarred("y.zip", data=zipped("x.exe"))),
    "a compressed zip": ("x.zip.gz", gzipped(zipped("x.exe"))),
}


@pytest.mark.parametrize(("name", "data"), HIDING.values(), ids=HIDING)
def test_looks_into(check, name, data):
    verdict = check(attached(name, data))
    assert verdict.action == "refuse"
    assert "x.exe" in verdict.note
    if not name.startswith("x.exe"):
        assert verdict.note.endswith(f" in {name}")
        assert check(attached(name, data), archives=False).action == "pass"


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"8bit", b"x-uuencode"])
def test_looks_into_any_encoding(check, encoding):
    assert check(attached("x.zip", zipped("x.exe"), encoding)).action == "refuse"


def test_looks_into_what_ends_its_lines_with_crlf(check):
    assert check(attached("x.zip", zipped("x.exe")).replace(b"\n", b"\r\n")).note == "x.exe in x.zip"


def test_looks_into_what_is_in_uuencode(check):
    lines = b"".join(binascii.b2a_uu(zipped("x.exe")[at : at + 45]) for at in range(0, len(zipped("x.exe")), 45))
    assert check(b"Subject: x\n\nbegin 644 y.zip\n" + lines + b"`\nend\n").note == "x.exe in y.zip"


def test_says_where_it_was(check):
    assert check(attached("x.zip", zipped("y.zip", data=zipped("dir/X.exe")))).note == "x.exe in y.zip in x.zip"


HARMLESS = {
    "a zip": ("x.zip", zipped("a.txt", "example.com/", "example.com/a.txt")),
    "a tar": ("x.tar", tarred("a.txt")),
    "a tar with a directory": ("x.tar", directory_in_tar("example.com")),
    "a tgz": ("x.tgz", gzipped(tarred("a.txt"))),
    "a document": ("x.docx", zipped("word/document.xml")),
    "a compressed text": ("x.txt.gz", gzipped(b"hello")),
    "a PDF": ("x.pdf", b"%PDF-1.7"),
}


@pytest.mark.parametrize(("name", "data"), HARMLESS.values(), ids=HARMLESS)
def test_lets_archives_pass(check, name, data):
    assert check(attached(name, data)) == ("pass", "", "")


UNREADABLE = {
    "half a zip": ("x.zip", zipped("a.txt", "b.txt")[:-30]),
    "no zip": ("x.zip", b"hello"),
    "half a tar.gz": ("x.tgz", gzipped(tarred("a.txt", data=random.Random(1).randbytes(9999)))[:-5000]),
    "no gzip": ("x.gz", b"hello"),
    "a kind that needs a library": ("x.rar", b"Rar!\x1a\x07\x00"),
    "too deep": ("x.zip", zipped("y.zip", data=zipped("z.zip", data=zipped("x.exe")))),
    "an archive in an encrypted one": ("x.zip", encrypted(zipped("y.zip", data=zipped("a.txt")))),
    "an archive that zipfile would unpack at once": (
        "x.zip",
        zipped("y.zip", data=zipped("a"), method=zipfile.ZIP_BZIP2),
    ),
}


@pytest.mark.parametrize(("name", "data"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_the_operators_choice(check, name, data, monkeypatch):
    monkeypatch.setattr(module, "_libarchive", None)
    verdict = check(attached(name, data))
    assert verdict.action == "pass"
    assert verdict.note.startswith("not looked into: ")
    assert name in verdict.note
    verdict = check(attached(name, data), unreadable_archive="refuse")
    assert verdict.reply.startswith("554 5.7.1 Archives that cannot be looked into are not accepted here: ")


REPORTS = "program-watch_2dtake@mx1.example.com"
STRICT = {"patterns": [r"\.zip$"], "unreadable_archive": "refuse"}


@pytest.mark.parametrize(
    ("to", "action"),
    [
        ([REPORTS], "pass"),
        ([REPORTS, "alice@example.com"], "refuse"),
        ([f"alice@example.com {REPORTS}"], "refuse"),
        (["program-watch_2darrived@mx1.example.com"], "refuse"),
    ],
    ids=["a report", "a copy", "somebody who claims it", "another program"],
)
@pytest.mark.parametrize("data", [zipped("report.xml"), b"hello"], ids=["a zip", "no zip"])
def test_reports_come_packed(check, data, to, action):
    assert check(attached("report.zip", data), to, **STRICT).action == action


def test_a_report_is_no_program(check):
    assert check(attached("report.zip", zipped("report.exe")), [REPORTS], **STRICT).action == "refuse"
    assert check(attached("report.exe", b"MZ"), [REPORTS], **STRICT).action == "refuse"


def test_a_program_is_refused_beside_what_cannot_be_read(check):
    text = attached("x.zip", b"hello").replace(b"--b--", b"--b\n" + DISPOSITION + b"filename=x.exe\n\n--b--")
    assert check(text).action == "refuse"


def test_depth_is_how_many_archives(check):
    one, two = zipped("x.exe"), zipped("y.zip", data=zipped("x.exe"))
    assert check(attached("x.zip", one), depth=1).action == "refuse"
    assert check(attached("x.zip", two), depth=1).note == "not looked into: y.zip in x.zip"
    assert check(attached("z.zip", zipped("x.zip", data=two)), depth=3).action == "refuse"


def test_other_kinds_are_read_where_the_library_is(check, monkeypatch):
    class Entry:
        def __init__(self, pathname, size=1, blocks=(), isdir=False):
            self.pathname, self.size, self.blocks = pathname, size, blocks
            self.isdir = isdir

        def get_blocks(self):
            return iter(self.blocks)

    class Library:
        entries = ()

        @classmethod
        def stream_reader(cls, stream):
            assert stream.tell() == 0
            return cls()

        def __enter__(self):
            return self.entries

        def __exit__(self, *_error):
            pass

    monkeypatch.setattr(module, "_libarchive", Library)
    text = attached("x.7z", b"7z\xbc\xaf\x27\x1c")
    Library.entries = [Entry("a.txt"), Entry("example.com", isdir=True), Entry("x.exe")]
    assert check(text).note == "x.exe in x.7z"
    Library.entries = [Entry("a.txt"), Entry("example.com", isdir=True)]
    assert check(text) == ("pass", "", "")
    Library.entries = [Entry("y.zip", blocks=[zipped("x.exe")])]
    assert check(text).note == "x.exe in y.zip in x.7z"
    Library.entries = [Entry("a.txt", size=1 << 40), Entry("x.exe")]
    assert check(text).note == "not looked into: x.7z"


# Limits.


def test_what_is_unpacked_has_a_limit(check):
    bomb = gzipped(tarred("a.txt", data=bytes(8 << 20)))
    assert len(bomb) < 20_000
    assert check(attached("x.tgz", bomb)).note == ""
    assert check(attached("x.tgz", bomb), max_unpacked=1 << 20).note == "not looked into: x.tgz"
    nested = zipped("y.zip", data=bytes(8 << 20))
    assert check(attached("x.zip", nested), max_unpacked=1 << 20).note == "not looked into: x.zip"


def test_the_limit_is_one_for_the_whole_mail(check):
    bomb = base64.encodebytes(gzipped(tarred("a.txt", data=bytes(3 << 20))))
    part = b"\n".join([DISPOSITION + b"filename=x.tgz", b"Content-Transfer-Encoding: base64", b"", bomb, b"--b", b""])
    text = multipart(b"Content-Type: text/plain").replace(b"--b--\n", b"--b\n" + part * 2 + b"--\n")
    assert check(text, max_unpacked=7 << 20).note == ""
    assert check(text, max_unpacked=5 << 20).note == "not looked into: x.tgz"


def test_a_bomb_costs_neither_time_nor_memory(check):
    bomb = gzipped(bytes(400 << 20), "a.tar")
    text = attached("x.tar.gz", gzipped(b"") + bomb)
    tracemalloc.start()
    began = time.monotonic()
    check(attached("x.tgz", gzipped(tarred("a.txt")) + bomb))
    check(text)
    assert time.monotonic() - began < 20
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_the_number_of_files_has_a_limit(check):
    names = [f"{number}.txt" for number in range(100)]
    for name, data in (("x.zip", zipped(*names)), ("x.tar", tarred(*names))):
        assert check(attached(name, data), max_entries=100).note == ""
        assert check(attached(name, data), max_entries=99).note == f"not looked into: {name}"


def test_a_list_of_a_million_files_is_not_read(check):
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = 200_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, 0, 0)
    text = attached("x.zip", entry * count + end)
    began = time.monotonic()
    tracemalloc.start()
    assert check(text).note == "not looked into: x.zip"
    assert tracemalloc.get_traced_memory()[1] < len(text) + (8 << 20)
    tracemalloc.stop()
    assert time.monotonic() - began < 10


def test_the_number_of_parts_has_a_limit(check):
    text = multipart(b"Content-Type: text/plain") + b"--b\n\n" * 10_001
    assert check(text).reply == "554 5.6.0 This mail has more parts than can be looked at"
    assert check(b"Content-Type: message/rfc822\n\n" * 10_001).action == "refuse"
    assert check(b"\n" + b"begin 644 a\nend\n" * 10_001).action == "refuse"


def test_many_boundaries_cost_no_time(check):
    inner = b"".join(
        b"--b\nContent-Type: multipart/mixed; boundary=%s\n\n" % (b"c" * length) for length in range(2, 200)
    )
    began = time.monotonic()
    check(b"Content-Type: multipart/mixed; boundary=b\n\n" + inner + b"--x\n" * 1_000_000)
    assert time.monotonic() - began < 20


def test_a_message_of_24_mb_takes_a_moment(check):
    data = random.Random(1).randbytes(18 << 20)
    text = attached("x.bin", data)
    assert len(text) > 23 << 20
    tracemalloc.start()
    began = time.monotonic()
    assert check(text).note == ""
    assert time.monotonic() - began < 5
    # Twice the text is held by the test, once to compare.
    assert tracemalloc.get_traced_memory()[1] < len(text) + (8 << 20)
    tracemalloc.stop()
    names = [f"{number}.txt" for number in range(17)]
    assert (
        check(attached("x.zip", zipped(*names, "x.exe", data=data[: 1 << 20], method=zipfile.ZIP_STORED))).action
        == "refuse"
    )


# Parts.


@given(st.binary(max_size=3000), st.sampled_from([b"base64", b"quoted-printable", b"8bit", b"x-uuencode"]))
def test_decodes_what_was_encoded(data, encoding):
    text = attached("x", data, encoding)
    (part,) = [one for one in parts(text) if "x" in one.names]
    decoded = b"".join(content(text, part))
    assert decoded == data or (not data and encoding == b"x-uuencode")


@pytest.mark.parametrize("wrapping", [1, 3, 60, 1000])
@pytest.mark.parametrize("noise", [b"", b"!", b" \r", b"\0"])
def test_base64_is_read_as_mail_programs_do(wrapping, noise):
    data = bytes(range(256)) * 4
    coded = base64.b64encode(data)
    text = (noise + b"\n").join(coded[at : at + wrapping] for at in range(0, len(coded), wrapping))
    assert b"".join(content(text, Part([], [], "base64", 0, len(text)))) == data


def test_base64_goes_on_from_piece_to_piece():
    data = random.Random(1).randbytes(1 << 20)
    text = base64.encodebytes(data)
    assert b"".join(content(text, Part([], [], "base64", 0, len(text)))) == data


def test_base64_goes_on_after_its_padding():
    text = base64.b64encode(b"a") + b"\n" + base64.b64encode(b"bcd") + base64.b64encode(b"ef") + b"x"
    assert b"".join(content(text, Part([], [], "base64", 0, len(text)))) == b"abcdef"


@given(
    st.lists(st.sampled_from([b"--b", b"--b--", b"", b"Content-Type: multipart/x; boundary=b", b"begin 644 x", b"x"]))
)
def test_parts_are_within_the_text(lines):
    text = b"\n".join(lines)
    end = 0
    for part in parts(text):
        assert 0 <= part.start <= part.end <= len(text)
        if part.encoding != "uuencode":
            assert part.start >= end
            end = part.end


REFUSED = {
    "a pattern that does not compile": ({"patterns": ["("]}, "does not compile"),
    "an extension with a dot": ({"extensions": [".exe"]}, "an extension without dot and blanks, such as exe"),
    "no depth": ({"depth": 0}, "`archives: false` looks into none"),
    "no entries": ({"max_entries": 0}, "a number of at least 1"),
    "no bytes": ({"max_unpacked": 0}, "a number of bytes"),
    "another outcome": ({"unreadable_archive": "drop"}, "unreadable_archive is 'drop'; write accept or refuse"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_settings(settings, message):
    with pytest.raises(SettingsError, match=message):
        build(Settings, settings)
