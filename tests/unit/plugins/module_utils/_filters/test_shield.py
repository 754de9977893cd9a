"""From becomes ours where the copy would be refused otherwise, and is left alone everywhere else."""

from __future__ import annotations

import email
import email.policy

import pytest

from plugins.module_utils._filters._dkim import Signature
from plugins.module_utils._filters._letter import Letter
from plugins.module_utils._filters._message import MessageError
from plugins.module_utils._filters._resolve import Temporary
from plugins.module_utils._filters._shield import shield

REJECT = {"_dmarc.example.net": ["v=DMARC1; p=reject"]}
OURS = ["example.com", "mx1.example.com"]
BOB = b"Bob <bob@example.net>"


def looks(records):
    def ask(name, kind):
        found = records.get(name, [])
        if found is None:
            raise Temporary(f"DNS has no answer for {kind} of {name}")
        return found

    return ask


def shielded(author=BOB, *, records=None, results=(), more=b"", address="left@example.com"):
    """The message after it, and whether anything was done."""
    letter = Letter(b"From: " + author + b"\n" + more + b"Subject: s\n\nFrom: not a field\n")
    signatures = [Signature(result, "", domain) for domain, result in results]
    done = shield(letter, address, OURS, looks(REJECT if records is None else records), lambda _text, _ask: signatures)
    return bytes(letter), done


def parsed(text):
    return email.message_from_bytes(text, policy=email.policy.default)


ALONE = {
    "no record": ({}, BOB, []),
    "none": ({"_dmarc.example.net": ["v=DMARC1; p=none"]}, BOB, []),
    "several records": ({"_dmarc.example.net": ["v=DMARC1; p=reject", "v=DMARC1; p=reject"]}, BOB, []),
    "none for names below": (
        {"_dmarc.example.net": ["v=DMARC1; p=reject; sp=none"]},
        b"bob@sub.example.net",
        [],
    ),
    "a signature holds": (REJECT, BOB, [("example.net", "pass")]),
    "one of them does": (REJECT, BOB, [("example.net", "fail"), ("example.org", "fail"), ("sub.example.net", "pass")]),
    "our own domain": ({"_dmarc.example.com": ["v=DMARC1; p=reject"]}, b"alice@example.com", []),
    "nobody's": (REJECT, b"undisclosed:;", []),
}
DONE = {
    "reject": (REJECT, BOB, []),
    "quarantine": ({"_dmarc.example.net": ["v=DMARC1; p=quarantine; pct=0"]}, BOB, []),
    "of the domain above": (REJECT, b"bob@sub.example.net", []),
    "the signature is broken": (REJECT, BOB, [("example.net", "fail")]),
    "the signature is another's": (REJECT, BOB, [("example.org", "pass")]),
    "strictly another's": (
        {"_dmarc.example.net": ["v=DMARC1; p=reject; adkim=s"]},
        BOB,
        [("sub.example.net", "pass")],
    ),
    "one of two authors": (REJECT, b"alice@example.com, bob@example.net", []),
}


@pytest.mark.parametrize(("records", "author", "results"), ALONE.values(), ids=ALONE)
def test_is_left_alone(records, author, results):
    text, done = shielded(author, records=records, results=results)
    assert not done
    assert text == b"From: " + author + b"\nSubject: s\n\nFrom: not a field\n"


@pytest.mark.parametrize(("records", "author", "results"), DONE.values(), ids=DONE)
def test_becomes_ours(records, author, results):
    text, done = shielded(author, records=records, results=results)
    assert done
    found = parsed(text)
    assert [one.addr_spec for one in found["From"].addresses] == ["left@example.com"]
    assert found["Reply-To"] == found["X-Original-From"] == author.decode()
    assert found["X-Courier-Mail-Shielded"].endswith("would have this refused")
    assert text.endswith(b"Subject: s\n\nFrom: not a field\n")


def test_is_done_once():
    text, _done = shielded()
    letter = Letter(text)
    assert not shield(letter, "other@example.com", OURS, looks(REJECT), lambda _text, _ask: [])
    assert bytes(letter) == text


NAMES = {
    "a name": (b"Bob <bob@example.net>", "Bob via example.com"),
    "in quotes": (b'"Bob, the \\"B\\"" <bob@example.net>', 'Bob, the "B" via example.com'),
    "none": (b"bob@example.net", "bob at example.net via example.com"),
    "encoded": (b"=?utf-8?q?B=C3=B6b_B=C3=A4r?= <bob@example.net>", "Böb Bär via example.com"),
    "encoded in another way": (b"=?iso-8859-1?b?QvZi?= <bob@example.net>", "Böb via example.com"),
    "in UTF-8": ("Böb <bob@example.net>".encode(), "Böb via example.com"),
    "folded": (b"Bob\n  Example\n <bob@example.net>", "Bob Example via example.com"),
    "a comment": (b"bob@example.net (Bob)", "Bob via example.com"),
    "of an unknown charset": (b"=?x-none?q?B=F6b?= <bob@example.net>", "bob at example.net via example.com"),
    "two authors": (b"Bob <bob@example.net>, Eve <eve@example.net>", "Bob, Eve via example.com"),
    "many": (
        b", ".join(b"%c@example.net" % letter for letter in b"abcde"),
        "a at example.net, b at example.net, c at example.net and others via example.com",
    ),
    "a group": (b"Team: Bob <bob@example.net>, Eve <eve@example.net>;", "Bob, Eve via example.com"),
    "an address for a name": (b'"boss@example.net" <bob@example.net>', "boss@example.net via example.com"),
    "long": (b"B" * 300 + b" <bob@example.net>", "B" * 80 + " via example.com"),
    "that breaks out": (b"=?utf-8?q?B=0AX-Evil=3A_1?= <bob@example.net>", "B X-Evil: 1 via example.com"),
}


@pytest.mark.parametrize(("author", "name"), NAMES.values(), ids=NAMES)
def test_says_whose_it_is(author, name):
    text, done = shielded(author)
    assert done
    found = parsed(text)
    (address,) = found["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "left@example.com")
    assert "X-Evil" not in found
    raw = text.partition(b"Reply-To:")[0]
    assert all(len(line) < 100 for line in raw.splitlines() if b"BBB" not in line)
    # As they came, byte for byte.
    assert text.count(b" " + author + b"\n") == 2


def test_an_answer_goes_where_the_author_said():
    text, _done = shielded(more=b"Reply-To: list@example.org\n")
    assert parsed(text).get_all("Reply-To") == ["list@example.org"]


def test_the_author_s_signatures_go_and_those_of_others_stay():
    more = (
        b"DKIM-Signature: v=1; d=example.net; b=x\nDKIM-Signature: v=1; a=b;\n d=Sub.Example.NET; b=x\n"
        b"DKIM-Signature: v=1; d=example.org; b=x\nDKIM-Signature: nonsense\n"
    )
    text, _done = shielded(more=more)
    assert parsed(text).get_all("DKIM-Signature") == ["v=1; d=example.org; b=x", "nonsense"]


def test_forged_marks_do_not_stay():
    text, _done = shielded(more=b"X-Original-From: eve@example.net\n")
    assert parsed(text).get_all("X-Original-From") == ["Bob <bob@example.net>"]


@pytest.mark.parametrize(
    ("records", "results"), [({"_dmarc.example.net": None}, []), (REJECT, [("example.net", "temperror")])]
)
def test_waits_when_dns_does_not_answer(records, results):
    with pytest.raises(Temporary):
        shielded(records=records, results=results)


def test_does_not_wait_for_a_key_that_does_not_matter():
    assert not shielded(results=[("example.net", "temperror"), ("example.net", "pass")])[1]
    assert shielded(results=[("example.org", "temperror")])[1]


def test_our_address_is_one_that_everybody_can_read():
    text, _done = shielded(address="Left@Exämple.com")
    assert b"\n <left@xn--exmple-cua.com>\n" in text
    assert b'"Bob via' not in text


class TestLetter:
    def test_stays_as_it_is(self):
        for text in (b"", b"\n", b"a: b\n\nx", b"no header\n", b"A: b\n c\nB: d\n\n\xff\x00\r\n.", b"A: b"):
            assert bytes(Letter(text)) == text

    def test_no_value_makes_another_field(self):
        with pytest.raises(MessageError):
            Letter(b"\n").put("Delivered-To", "a@b\nX-Evil: 1")
