"""A message on disk, as Courier's comctlfile.h and RFC 5322 have it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._filters._message import Message, MessageError

HEADERS = {
    "fields in their order": (b"A: 1\nB: 2\n\nbody\n", [("a", "1"), ("b", "2")], b"\nbody\n"),
    "names in lower case": (b"SUBJECT: x\n\n", [("subject", "x")], b"\n"),
    "a folded field": (b"A: 1\n  2\n\t3\n\n", [("a", "1 2 3")], b"\n"),
    "CRLF": (b"A: 1\r\n 2\r\nB: 3\r\n\r\nbody\r\n", [("a", "1 2"), ("b", "3")], b"\r\nbody\r\n"),
    "no body": (b"A: 1\n", [("a", "1")], b""),
    "no line end": (b"A: 1", [("a", "1")], b""),
    "a body without an empty line": (b"A: 1\nhello there\nB: 2\n", [("a", "1")], b"hello there\nB: 2\n"),
    "no header": (b"\nhello\n", [], b"\nhello\n"),
    "a continuation of nothing": (b" x\nA: 1\n", [], b" x\nA: 1\n"),
    "nothing": (b"", [], b""),
    "blanks before the colon": (b"A \t: 1\n\n", [("a", "1")], b"\n"),
    "bytes beyond ASCII": (b"A: \xe9\n\n", [("a", "\udce9")], b"\n"),
}


@pytest.mark.parametrize(("text", "fields", "body"), HEADERS.values(), ids=HEADERS)
def test_reads_a_header(letter, text, fields, body):
    message = letter(text)
    assert [(field.name, field.value) for field in message.fields] == fields
    assert text[message.body :] == body


def test_a_header_without_end_is_cut_off(letter):
    message = letter(b"A: 1\n" * 400_000)
    assert 1 << 20 <= message.body < (1 << 20) + 100
    message = letter(b"A: " + b"x" * (3 << 20) + b"\n\nbody")
    assert message.body == 1 << 20
    message.add("B", "2")
    message.commit()
    assert Path(message.text).stat().st_size == (3 << 20) + len(b"B: 2\nA: \n\nbody")


def test_the_values_of_a_name_are_all_of_them(letter):
    assert letter(b"A: 1\na: 2\nB: 3\n\n").values("A") == ["1", "2"]


def test_adds_on_top_and_removes_below(letter):
    message = letter(b"Subject: hi\nX-Spam-Flag: NO\nX-Spam: no\nX-Other: 1\n folded\nTo: a\n\nbody")
    message.remove("x-spam-*", "X-OTHER")
    message.add("X-One", "1")
    message.add("X-Two", "2")
    assert message.commit()
    assert Path(message.text).read_bytes() == b"X-Two: 2\nX-One: 1\nSubject: hi\nX-Spam: no\nTo: a\n\nbody"
    assert message.values("x-two") == ["2"]
    assert message.size == Path(message.text).stat().st_size
    assert not message.commit()


def test_replaces_in_the_place(letter):
    message = letter(b"A: 1\nB: 2\nC: 3\n\nbody")
    message.replace(1, b"B: two\n")
    assert message.commit()
    assert Path(message.text).read_bytes() == b"A: 1\nB: two\nC: 3\n\nbody"


def test_what_changes_nothing_writes_nothing(letter):
    message = letter()
    before = os.stat(message.text)
    message.remove("X-None", "X-Spam-*")
    assert not message.commit()
    assert os.stat(message.text).st_mtime_ns == before.st_mtime_ns


def test_the_file_stays_the_same_that_submit_holds_open(letter):
    message = letter()
    inode = os.stat(message.text).st_ino
    with message.open() as held:
        message.remove("Subject")
        message.commit()
        assert held.read() == b"Received: from x\nFrom: Bob <bob@example.net>\n\nHello.\n"
    assert os.stat(message.text).st_ino == inode


def test_folds_long_fields_at_blanks(letter):
    message = letter(b"\n")
    message.add("X-Long", " ".join(["word"] * 40))
    message.commit()
    lines = Path(message.text).read_bytes().split(b"\n")
    assert max(map(len, lines)) <= 78
    assert message.values("x-long") == [" ".join(["word"] * 40)]


@pytest.mark.parametrize("value", ["a\nB: 2", "a\r", "é", "\0", "\x7f"])
def test_refuses_what_is_no_line(letter, value):
    with pytest.raises(MessageError, match="is not a line of a header"):
        letter().add("A", value)


@given(
    header=st.lists(st.sampled_from([b"A: 1", b"B: x\n y", b"X-Spam-Flag: YES", b"C: \xff", b"D:"])),
    end=st.sampled_from([b"\n", b"\r\n"]),
    body=st.binary(),
    added=st.lists(st.text("abc ", max_size=200), max_size=3),
)
def test_the_body_stays_byte_for_byte(header, end, body, added):
    head = b"".join(line + end for line in header)
    rest = end + body
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "text")
        path.write_bytes(head + rest)
        message = Message(str(path), [])
        message.remove("X-Spam-*")
        for value in added:
            message.add("X-Added", value)
        changed = message.commit()
        after = path.read_bytes()
        assert changed == bool(added or b"X-Spam-Flag: YES" in header)
        assert after.endswith(b"".join(line + end for line in header if not line.startswith(b"X-Spam")) + rest)
        again = Message(str(path), [])
        assert len(again.values("X-Added")) == len(added)
        assert after[again.body :] == rest


def test_reads_the_envelope(letter):
    message = letter(records=["ialice@example.com"])
    assert (message.id, message.sender, message.login, message.source) == (
        "0001.id",
        "bob@example.net",
        "alice@example.com",
        "smtp",
    )
    assert message.client == "192.0.2.1"
    assert letter(sender="").sender == ""
    assert message.record("?") is None
    assert letter().login is None


def test_an_address_of_six_is_what_it_is(letter):
    message = letter()
    Path(message.controls[0]).write_text("OTCPREMOTEIP=2001:db8::1\n")
    assert Message(message.text, message.controls).client == "2001:db8::1"
    Path(message.controls[0]).write_text("s\n")
    assert Message(message.text, message.controls).client is None


def test_recipients_are_in_several_files(letter):
    message = letter(to=["a@example.com", "b@example.com rfc822;list@example.com", "c@example.com"], controls=2)
    assert [(one.address, one.original, one.number) for one in message.recipients] == [
        ("a@example.com", "", 0),
        ("c@example.com", "", 1),
        ("b@example.com", "rfc822;list@example.com", 0),
    ]
    assert {one.file for one in message.recipients} == set(message.controls)


def test_who_has_it_is_no_recipient_any_more(letter):
    message = letter(to=["a@example.com", "b@example.com", "c@example.com"])
    with open(message.controls[0], "a") as stream:
        stream.write("I0 R 250 ok\nS0 1700000000\nI2 R 550 no\nF2 1700000000\n")
    assert [one.address for one in Message(message.text, message.controls).recipients] == ["b@example.com"]


def test_drops_a_recipient(letter):
    message = letter(to=["a@example.com", "b@example.com"], controls=2)
    second = message.recipients[1]
    message.drop(second, "a trap\nrevil@example.com")
    assert [one.address for one in message.recipients] == ["a@example.com"]
    again = Message(message.text, message.controls)
    assert [one.address for one in again.recipients] == ["a@example.com"]
    lines = Path(second.file).read_text().splitlines()
    assert lines[-2] == "I0 R 250 a trap revil@example.com"
    assert lines[-1].startswith("S0 ")


def test_redirects_a_recipient(letter):
    message = letter(to=["a@example.com rfc822;list@example.com", "b@example.com"])
    message.redirect(message.recipients[0], "a-junk@example.com", "spam")
    expected = [("b@example.com", ""), ("a-junk@example.com", "rfc822;list@example.com")]
    for one in (message, Message(message.text, message.controls)):
        assert [(recipient.address, recipient.original) for recipient in one.recipients] == expected
        assert [recipient.notify for recipient in one.recipients] == ["F", "F"]
    message.drop(message.recipients[1], "again")
    assert [one.address for one in Message(message.text, message.controls).recipients] == ["b@example.com"]
