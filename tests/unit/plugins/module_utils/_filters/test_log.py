"""One line a message, whatever is in it."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils._filters._verdict import PASS, Judged, Outcome, refuse
from plugins.module_utils._filters.log import Filter, Settings, header, line

NOTHING = Outcome(PASS, [])


def read(text, head="courier_mail: "):
    assert text.startswith(head)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert text.isascii()
    assert text[:-1].isprintable()
    return json.loads(text.removeprefix(head))


def read_header(message, outcome=NOTHING):
    text = header(message, outcome)
    assert len(f"MESSAGE={text}") < 512  # what is longer journald compresses
    return read(text, "courier_mail_header: ")


def test_says_who_wrote_to_whom_and_what_came_of_it(letter, capsys):
    message = letter(to=["alice@example.com sales@example.com", "bob@example.com"], records=["icarol@example.com"])
    one = Filter(Settings())
    assert one.check(message) == PASS
    verdict = refuse("554 5.7.1 No", "Eicar")
    one.finish(message, Outcome(verdict, [Judged("log", PASS, 0.0), Judged("clamd", verdict, 0.25)]))
    told, found_by = capsys.readouterr().err.splitlines(keepends=True)
    assert read(found_by, "courier_mail_header: ")["id"] == "0001.id"
    assert read(told) == {
        "id": "0001.id",
        "from": "bob@example.net",
        "to": ["alice@example.com", "bob@example.com"],
        "written": ["sales@example.com"],
        "recipients": 2,
        "client": "192.0.2.1",
        "login": "carol@example.com",
        "source": "smtp",
        "size": message.size,
        "verdict": "refuse",
        "reply": "554 5.7.1 No",
        "filters": {"log": "pass", "clamd": "refuse: Eicar"},
        "seconds": 0.25,
    }


def test_the_subject_is_nobodys_business(letter):
    assert "hello" not in (line(letter(), NOTHING) + header(letter(), NOTHING)).lower()


@pytest.mark.parametrize("text", ["a\rb", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "é", "\udcff", '"', "\\n", "a\0b"])
def test_nothing_breaks_the_line(letter, text):
    verdict = refuse(f"554 {text}", text)
    message = letter(sender=text.replace("\r", "").encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    assert read(line(message, Outcome(verdict, [Judged("x", verdict, 0, text)])))["reply"] == f"554 {text}"


def test_a_line_is_short_enough_for_the_journal(letter):
    message = letter(to=[f"{number}{'x' * 600}@example.com {number}{'y' * 600}@example.com" for number in range(200)])
    text = line(message, Outcome(refuse("554 " + "x" * 100_000), []))
    assert len(text) < 48 * 1024
    assert read(text)["recipients"] == 200
    assert len(read(text)["to"]) == len(read(text)["written"]) == 20


def test_what_was_written_is_named_once(letter):
    message = letter(to=[f"{name}@example.com all@example.com" for name in "abc"])
    assert read(line(message, NOTHING))["written"] == ["all@example.com"]


SUBMITTED = (
    b"Received: from me (dns [192.0.2.1])\n  (AUTH: PLAIN carol@example.com, TLS: TLS1.3,256bits,AES)\n"
    b"  by mx1.example.com with ESMTPSA\n  id 0001; Thu, 26 Nov 2026 10:00:00 +0000\n"
)
HEADER = (
    b'From: Carol <carol@example.com>\nTo: a@example.net, "b, c" <b@example.net>\nMessage-ID:\n <1@example.com>\n\n'
)


def test_a_message_is_found_by_what_people_know_of_it(letter):
    message = letter(SUBMITTED + HEADER, to=["alice@example.com sales@example.com"])
    assert read_header(message) == {
        "id": "0001.id",
        "message_id": "<1@example.com>",
        "client": "192.0.2.1",
        "tls": "TLS1.3",
        "from": ["carol@example.com"],
        "written": ["sales@example.com"],
        "to": ["a@example.net", "b@example.net"],
    }


def test_what_is_refused_is_found_by_its_envelope(letter):
    message = letter(sender="bounce@example.net", to=[f"{number}@example.com" for number in range(100)])
    found = read_header(message, Outcome(refuse("554 No"), []))
    assert found["sender"] == ["bounce@example.net"]
    assert found["recipients"][:2] == ["0@example.com", "1@example.com"]
    assert found["from"] == []  # it had no room


TLS = {
    "none": (b"Received: from me (dns [192.0.2.1])\n  by mx1.example.com with ESMTP\n", ""),
    "without a login": (
        b"Received: from me (dns [::1])\n  (TLS: TLSv1.2,128bits,X)\n  by mx1.example.com with ESMTPS\n",
        "TLSv1.2",
    ),
    "what the client calls itself": (
        b"Received: from (TLS: TLS1.3) by me (dns [192.0.2.1])\n  by mx1.example.com with ESMTP\n",
        "",
    ),
    "an address in it": (
        b"Received: from x (y [::2]) (TLS: TLS1.3) by me (dns [192.0.2.1])\n  by mx1.example.com with ESMTP\n",
        "",
    ),
    "another host's": (b"Received: from me (dns [::1])\n  by mx1 with ESMTP\n" + SUBMITTED, ""),
}


@pytest.mark.parametrize(("received", "tls"), TLS.values(), ids=TLS)
def test_the_tls_of_the_client(letter, received, tls):
    assert read_header(letter(received + HEADER))["tls"] == tls


@pytest.mark.parametrize(
    "text",
    [
        b"Message-ID: <" + b"x" * 5000 + b"@example.net>\n\n",
        b"To: " + b", ".join(b"%d@example.net" % number for number in range(10_000)) + b"\n\n",
        b"From: " + b"(" * 10_000 + b"a@example.net\nTo: \xff\xfe <\xff@example.net>, \0 <\x1b@example.net>\n\n",
        b'From: "}\\n courier_mail: {" <a@example.net>\nMessage-ID: "\r}\n\n',
        b"\n",
    ],
    ids=["long id", "many people", "bytes", "another line", "nothing"],
)
def test_the_header_line_is_short_whatever_is_in_the_header(letter, text):
    assert read_header(letter(text))["id"] == "0001.id"
