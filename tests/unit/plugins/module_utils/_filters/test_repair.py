"""Repairs of headers: what is mended, and what is left alone."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._filters._message import Field, Message
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import PASS
from plugins.module_utils._filters.repair import REPAIRED, Filter, Settings, repaired

WHOLE = b"Date: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <1@example.net>\nMIME-Version: 1.0\n"


@pytest.fixture
def mend(letter):
    """Has a message mended; gives the verdict and the message as it goes on."""

    def ask(text, *, records=(), **settings):
        message = letter(text, records=records)
        verdict = Filter(build(Settings, {"host": "mail.example.com", **settings})).check(message)
        message.commit()
        return verdict, Message(message.text, message.controls)

    return ask


def field(text, encoding="utf-8"):
    raw = text.encode(encoding)
    return Field(raw.partition(b":")[0].decode().lower(), raw)


def understood(raw):
    """The value, as a mail program shows it."""
    parsed = email.message_from_bytes(raw + b"\n", policy=email.policy.default)
    return str(parsed[next(iter(parsed.keys()))])


TEXTS = {
    "a subject": "Subject: Grüße aus Köln\n",
    "a long subject": f"Subject: {'Grüße und Küsse ' * 20}Ende\n",
    "a folded subject": "Subject: Grüße\n aus Köln\n",
    "a folded subject with CRLF": "Subject: Grüße\r\n aus Köln\r\n",
    "a field of one's own": "X-Töpic: x\n".replace("ö", "o").replace("x\n", "schön\n"),
    "a comment": "Comments: schön\n",
    "a name in quotes": 'From: "Jörg Müller, GmbH" <j@example.net>\n',
    "a name without quotes": "From: Jörg Müller <j@example.net>\n",
    "words of which one is not ASCII": "From: Jörg van der Meer <j@example.net>\n",
    "several people": 'To: Jörg <j@example.net>, "Anna Ölig" <a@example.org>, b@example.com\n',
    "a group": "To: Höhere: a@example.com, b@example.com;\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_encodes_what_is_not_ascii(text, encoding):
    raw = repaired(field(text, encoding))
    assert raw.isascii()
    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    assert max(map(len, raw.split(b"\n"))) <= 80
    expected = " ".join(text.partition(":")[2].split())
    assert understood(raw).replace('"', "") == expected.replace('"', "")
    assert raw.partition(b":")[0] == text.partition(":")[0].encode()


def test_addresses_stay_addresses():
    raw = repaired(field('To: "Müller, Jörg" <j@example.net>, Ä <a@example.org> (Käse)\n'))
    parsed = email.message_from_bytes(raw + b"\n", policy=email.policy.default)
    assert [one.addr_spec for one in parsed["to"].addresses] == ["j@example.net", "a@example.org"]
    assert parsed["to"].addresses[0].display_name == "Müller, Jörg"


def test_words_that_follow_each_other_are_one():
    # Between two encoded words, no mail program shows the blank.
    raw = repaired(field("From: van Jörg Müller Ä (Ö) <j@example.net>\n"))
    assert raw.count(b"=?utf-8?") == 2
    assert understood(raw) == "van Jörg Müller Ä <j@example.net>"


ALONE = {
    "ASCII": b"Subject: =?utf-8?q?x?=   two  blanks\n",
    "an address beyond ASCII": "From: <jörg@example.net>\n".encode(),
    "a bare address beyond ASCII": "From: jörg@example.net\n".encode(),
    "a trace": "Received: from köln by x\n".encode(),
    "a type": 'Content-Type: text/plain; name="ü.txt"\n'.encode(),
    "an endless one": b"Subject: " + "ü".encode() * 20_000 + b"\n",
}


@pytest.mark.parametrize("raw", ALONE.values(), ids=ALONE)
def test_leaves_alone(raw):
    assert repaired(Field(raw.partition(b":")[0].decode().lower(), raw)) == raw


def test_believes_the_charset_of_the_message(mend):
    text = WHOLE + b"Content-Type: text/plain; charset=koi8-r\nSubject: \xf0\xd2\xc9\xd7\xc5\xd4\n\nx\n"
    _verdict, message = mend(text)
    assert understood(next(one.raw for one in message.fields if one.name == "subject")) == "Привет"
    for charset in (b"utf-16", b"no-such", b"us-ascii"):
        _verdict, message = mend(text.replace(b"koi8-r", charset))
        assert b"windows-1252" in next(one.raw for one in message.fields if one.name == "subject")


@given(st.binary(max_size=300))
def test_any_bytes_end_as_one_field(data):
    data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    for name in ("Subject", "From"):
        one = Field(name.lower(), b"%s: x%s\n" % (name.encode(), data))
        raw = repaired(one)
        assert raw == one.raw or raw.isascii()
        lines = raw.removesuffix(b"\n").split(b"\n")
        assert lines[0].startswith(name.encode() + b":")
        assert all(line[:1] in (b" ", b"\t") and line.strip() for line in lines[1:])


def test_a_whole_message_stays_byte_for_byte(mend):
    text = WHOLE + b"Subject: x\n\nbody \xff\n"
    verdict, message = mend(text)
    assert verdict == PASS
    assert Path(message.text).read_bytes() == text


def test_adds_what_is_missing_and_says_so(mend):
    verdict, message = mend(b"Subject: Gr\xc3\xbc\xc3\x9fe\nFrom: a@example.net\n\nbody \xc3\xbc\n")
    assert verdict.note == "repaired subject, date, message-id, mime-version, content-type"
    assert message.values(REPAIRED) == ["subject, date, message-id, mime-version, content-type"]
    (date,), (message_id,) = message.values("date"), message.values("message-id")
    assert email.utils.parsedate_to_datetime(date).tzinfo
    assert message_id.endswith("@mail.example.com>")
    assert [message.values(name) for name in ("mime-version", "content-type", "content-transfer-encoding")] == [
        ["1.0"],
        ["text/plain; charset=utf-8"],
        ["8bit"],
    ]
    assert (
        Path(message.text)
        .read_bytes()
        .endswith(b"\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\nFrom: a@example.net\n\nbody \xc3\xbc\n")
    )


def test_a_body_in_ascii_needs_no_mime(mend):
    text = WHOLE.replace(b"MIME-Version: 1.0\n", b"") + b"\nbody\n"
    assert mend(text)[0] == PASS


@pytest.mark.parametrize("body", [b"caf\xe9", b"caf\xc3", b"\xc3\xbc" * 200_000 + b"\xff"])
def test_a_body_that_is_not_utf8_is_not_called_so(mend, body):
    text = WHOLE.replace(b"MIME-Version: 1.0\n", b"") + b"\n" + body
    verdict, message = mend(text)
    assert verdict == PASS
    assert Path(message.text).read_bytes() == text


def test_a_letter_across_two_pieces_is_one(mend):
    body = b"xx" + b"\xc3\xbc" * 200_000
    assert (
        mend(WHOLE.replace(b"MIME-Version: 1.0\n", b"") + b"\n" + body)[0].note == "repaired mime-version, content-type"
    )


def test_a_type_that_is_there_is_believed(mend):
    text = WHOLE.replace(b"MIME-Version: 1.0\n", b"") + b"Content-Type: text/html; charset=koi8-r\n\n\xe9\n"
    verdict, message = mend(text)
    assert verdict.note == "repaired mime-version"
    assert message.values("content-type") == ["text/html; charset=koi8-r"]


SIGNED = {
    "DKIM": b"DKIM-Signature: v=1\n",
    "ARC": b"ARC-Seal: i=1\n",
    "PGP": b"Content-Type: multipart/signed; boundary=x\n",
    "encrypted": b"Content-Type: multipart/encrypted; boundary=x\n",
    "S/MIME": b"Content-Type: application/pkcs7-mime; smime-type=signed-data\n",
    "S/MIME of old": b"Content-Type: application/x-pkcs7-mime\n",
}


@pytest.mark.parametrize("header", SIGNED.values(), ids=SIGNED)
def test_never_touches_what_is_signed(mend, header):
    text = header + b"Subject: \xc3\xbc\nX-Courier-Mail-Repaired: x\n\n\xc3\xbc\n"
    verdict, message = mend(text)
    assert (verdict.action, verdict.note) == ("pass", "signed")
    assert Path(message.text).read_bytes() == text


def test_smtputf8_may_have_any_letter(mend):
    text = WHOLE + "Subject: Grüße\nFrom: jörg@exämple.net\n\nKöln\n".encode()
    ours, theirs = b"Received: from x\n  by y\n  with UTF8SMTP\n  id z\n", b"Received: by y with ESMTP id z\n"
    assert mend(ours + theirs + text)[0] == PASS
    assert mend(theirs + ours + text)[0].note == "repaired subject"
    assert mend(text, records=["m"])[0].note == "repaired subject"


def test_a_forged_claim_goes(mend):
    _verdict, message = mend(WHOLE + b"X-Courier-Mail-Repaired: everything\n\nx")
    assert message.values(REPAIRED) == []


def test_each_repair_can_be_left_out(mend):
    text = b"Subject: \xc3\xbc\n\n\xc3\xbc\n"
    for one, done in (
        ("headers", "subject"),
        ("date", "date"),
        ("message_id", "message-id"),
        ("mime", "mime-version, content-type"),
    ):
        assert mend(text, repairs=[one])[0].note == f"repaired {done}"
    assert mend(text, repairs=[])[0] == PASS


REFUSED = {
    "an unknown repair": ({"repairs": ["html"]}, "repairs is 'html'; write some of headers, date, message_id, mime"),
    "no host": ({"host": "a b"}, "host is 'a b'; write the name of a host, such as mail.example.com"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_settings(settings, message):
    with pytest.raises(SettingsError) as error:
        build(Settings, settings)
    assert str(error.value) == message
