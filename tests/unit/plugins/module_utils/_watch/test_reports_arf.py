from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._watch import _reports_arf as arf
from plugins.module_utils._watch import _reports_mail as mail
from plugins.module_utils._watch._reports_text import Refused
from tests.unit.reported import ORIGINAL, complaint, read_or_refused, settings

WHO = mail.Sender("example.net", "example.net", "dmarc")
REPORT = "Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1\n"


def parse(raw, who=WHO, **given_):
    return arf.parse(mail.read(raw), who, settings(**given_))


def without(*names):
    """The message without some of its fields."""
    fields, _blank, body = ORIGINAL.partition("\n\n")
    kept = []
    for line in fields.split("\n"):
        if line[0] != " ":
            keep = line.partition(":")[0] not in names
        if keep:
            kept.append(line)
    return "\n".join(kept) + "\n\n" + body


def test_reads_what_it_says():
    said = REPORT + (
        "Source-IP: 198.51.100.3\nOriginal-Rcpt-To: <someone@example.org>\nIncidents: 3\n"
        "Arrival-Date: Mon, 21 Sep 2026 10:00:00 +0000\n"
    )
    assert parse(complaint(feedback=said)) == arf.Complaint(
        key="<c1@example.net>",
        type="abuse",
        account="alice@example.com",
        evidence="login",
        list="",
        domain="example.com",
        message="original@mx1.example.com",
        source="198.51.100.3",
        to="example.org",
        incidents=3,
        at=1_789_984_800.0,
    )


LIST = "List-Id: News <news.example.com>\n"
FORWARDED = (
    "Return-Path: <SRS0=abcd=XY=example.org=x@mx1.example.com>\nDelivered-To: dave@example.com\n"
    "From: x@example.org\nMessage-ID: <z@example.org>\n\nx\n"
)
OFFENDERS = {
    "who logged in": (ORIGINAL, {}, "alice@example.com", "login"),
    "a field of ours before": (
        "X-Account: Bob@example.com\n" + ORIGINAL,
        {"account_fields": ["X-Account"]},
        "Bob@example.com",
        "field",
    ),
    "a login that is no address": (ORIGINAL.replace("PLAIN alice@example.com", "LOGIN alice"), {}, "alice", "login"),
    "no login at a stranger's": (
        ORIGINAL.replace("by mx1.example.com", "by mx.example.org"),
        {},
        "bob@example.com",
        "Return-Path",
    ),
    "Feedback-ID": (
        "Feedback-ID: news:erin@example.com:x:y\n" + without("Received"),
        {"feedback_account": 2},
        "erin@example.com",
        "Feedback-ID",
    ),
    "the sender": (without("Received"), {}, "bob@example.com", "Return-Path"),
    "the sender with an extension": (
        without("Received").replace("<bob@", "<bob+x=example.net@"),
        {},
        "bob@example.com",
        "Return-Path",
    ),
    "the author": (without("Received", "Return-Path"), {}, "carol@example.com", "From"),
    "an author below our domain": (
        without("Received", "Return-Path").replace("carol@", "carol@shop."),
        {},
        "carol@shop.example.com",
        "From",
    ),
    "a redacted sender": (without("Received").replace("bob@", "redacted@"), {}, "carol@example.com", "From"),
    "for whom it was passed on": (FORWARDED, {}, "dave@example.com", "forward"),
    "a Message-ID of ours": (
        without("Received", "Return-Path", "From", "DKIM-Signature"),
        {},
        "?@mx1.example.com",
        "Message-ID",
    ),
    "a signature of ours": (
        without("Received", "Return-Path", "From", "Message-ID"),
        {},
        "?@example.com",
        "DKIM-Signature",
    ),
}


@pytest.mark.parametrize(("original", "given_", "account", "evidence"), OFFENDERS.values(), ids=OFFENDERS)
def test_names_the_offender(original, given_, account, evidence):
    found = parse(complaint(original), **{"domains": ["example.com"], "hosts": ["mx1.example.com"], **given_})
    assert (found.account, found.evidence) == (account, evidence)


REDACTED = [
    "redacted",
    "[redacted]",
    "xxxx",
    "***",
    "REDACTED-1",
    "0123456789abcdef" * 2,
    "Dr1Yn5kd9PQzYFjBN0vA3xkq2Tw=",
]


@pytest.mark.parametrize("name", REDACTED)
def test_a_name_that_was_taken_out_is_nobody(name):
    original = f"From: <{name}@example.com>\n\nx\n"
    if "[" in name:
        original = original.replace("<", "").replace(">", "")
    assert parse(complaint(original)).account == "?@example.com"


def test_the_address_alone_says_that_it_is_ours():
    found = parse(complaint("Subject: x\n\nx\n", REPORT + "Source-IP: ::ffff:198.51.100.3\n"))
    assert (found.account, found.evidence, found.source) == ("?", "Source-IP", "198.51.100.3")


NOT_OURS = {
    "everything is a stranger's": "From: a@example.org\nMessage-ID: <x@example.org>\n\nx\n",
    "it only ends like ours": "From: a@notexample.com\n\nx\n",
    "nothing is there": "Subject: x\n\nx\n",
    "a login that a stranger claims": "Received: from a\n  (AUTH: PLAIN eve@example.com)\n  by mx.example.org\n\nx\n",
}


@pytest.mark.parametrize("original", NOT_OURS.values(), ids=NOT_OURS)
def test_refuses_what_is_not_ours(original):
    with pytest.raises(Refused, match="not ours"):
        parse(complaint(original, REPORT + "Source-IP: 203.0.113.1\n"))


def test_names_the_list():
    assert parse(complaint(LIST + ORIGINAL)).list == "news.example.com"
    assert parse(complaint("Feedback-ID: offer:a:b:c\n" + ORIGINAL)).list == "offer"
    assert parse(complaint("Feedback-ID: offer:a:b:c\n" + ORIGINAL), feedback_list=0).list == ""


@pytest.mark.parametrize(
    ("said", "kind"),
    [("fraud", "fraud"), ("Not-Spam", "not-spam"), ("opt-out-list", "opt-out"), ("xyzzy", "other")],
)
def test_types(said, kind):
    assert parse(complaint(feedback=f"Feedback-Type: {said}\n")).type == kind


@pytest.mark.parametrize(("said", "count"), [("7", 7), ("0", 1), ("-3", 1), ("x", 1), ("9999999999", 1_000_000)])
def test_incidents(said, count):
    assert parse(complaint(feedback=REPORT + f"Incidents: {said}\n")).incidents == count


@pytest.mark.parametrize("date", ["yesterday", "Mon, 99 Foo 2026", "Mon, 21 Sep 99999 10:00:00 +0000", ""])
def test_a_date_that_is_none_is_left_out(date):
    assert parse(complaint(feedback=REPORT + f"Arrival-Date: {date}\n")).at is None


def test_reads_headers_alone():
    for kind in ("text/rfc822-headers", "message/rfc822-headers", "message/global"):
        assert parse(complaint(returned=kind)).account == "alice@example.com"


def test_reads_a_report_that_is_encoded():
    encoded = base64.b64encode(b"Feedback-Type: virus\nVersion: 1\n").decode()
    assert parse(complaint(feedback=encoded)).type == "virus"
    raw = complaint(feedback="\n" + encoded).replace(
        b"message/feedback-report\n", b"message/feedback-report\nContent-Transfer-Encoding: base64\n"
    )
    assert parse(raw).type == "virus"


def test_a_report_without_a_type_is_broken():
    with pytest.raises(Refused, match="broken"):
        parse(complaint(feedback="User-Agent: x\n"))


def test_a_message_that_is_none():
    assert parse(b"From: a@example.net\n\nx\n") is None


class TestBare:
    """Some send the message back and say nothing."""

    RAW = complaint().replace(b"message/feedback-report", b"text/plain")

    def test_is_a_complaint_of_those_who_do(self):
        found = parse(self.RAW, mail.Sender("hotmail.com", "hotmail.com", "dmarc"))
        assert (found.type, found.account) == ("abuse", "alice@example.com")

    def test_is_none_of_others(self):
        assert parse(self.RAW) is None


@given(st.data())
def test_a_damaged_complaint_is_read_or_refused(data):
    held = bytearray(complaint(LIST + ORIGINAL))
    for _time in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(held) - 1))
        held[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    read_or_refused(lambda: parse(bytes(held)))


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(["Return-Path", "From", "Message-ID", "Received"]))
def test_whatever_a_field_says(said, other, name):
    found = " ".join(said.split())
    raw = complaint(f"{name}: {found}\nFeedback-ID: {' '.join(other.split())}\n".encode("utf-8", "replace").decode())
    read_or_refused(lambda: parse(raw))
