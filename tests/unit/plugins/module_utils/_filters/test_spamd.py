"""spamd's protocol (SPAMC/1.5), the thresholds, and what becomes of a message, with a spamd that the test plays."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from plugins.module_utils._filters._message import Message
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import Down
from plugins.module_utils._filters.spamd import Filter, Scored, Settings, understood

ALICE, BOB, RELAYED = "alice@example.com", "bob@example.com", "carol@example.org"


def answer(score, rules="BAYES_99,GTUBE", flag="True"):
    body = f"{rules}\r\n".encode()
    return f"SPAMD/1.1 0 EX_OK\r\nContent-length: {len(body)}\r\nSpam: {flag} ; {score} / 5.0\r\n\r\n".encode() + body


@pytest.fixture
def judge(daemon, letter, tmp_path):
    """Has a message judged, and gives the verdict and the message as it goes on."""
    known = tmp_path / "addresses.json"
    known.write_text(json.dumps({"mailboxes": ["Alice@example.com", BOB], "senders": {}, "managed": {}}))

    def ask(score, *, to=(ALICE,), text=b"Subject: x\n\nbody\n", **settings):
        daemon.answer = score if isinstance(score, bytes) else answer(score)
        message = letter(text, to=to)
        verdict = Filter(
            build(Settings, {"socket": daemon.path, "timeout": 10, "known": str(known), **settings})
        ).check(message)
        message.commit()
        return verdict, Message(message.text, message.controls)

    return ask


def delivered(message):
    return [one.address for one in message.recipients]


def test_asks_for_symbols_and_gives_the_sender(daemon, judge):
    judge(1)
    header, _end, text = daemon.heard.partition(b"\r\n\r\n")
    assert header.split(b"\r\n") == [b"SYMBOLS SPAMC/1.5", b"Content-length: %d" % len(text)]
    assert text == b"Return-Path: <bob@example.net>\nSubject: x\n\nbody\n"


def test_ham_is_scored_once(judge):
    verdict, message = judge(1.25)
    assert (verdict.action, verdict.note) == ("pass", "1.25 BAYES_99,GTUBE")
    assert Path(message.text).read_bytes() == (
        b"X-Spam-Score: 1.2\nX-Spam-Status: No, score=1.2 required=5.0 tests=BAYES_99, GTUBE\n"
        b"X-Spam-Level: *\nSubject: x\n\nbody\n"
    )
    assert delivered(message) == [ALICE]


def test_ham_may_be_below_zero(judge):
    _verdict, message = judge(-2.0)
    assert message.values("x-spam-level") == [""]
    assert message.values("x-spam-score") == ["-2.0"]


def test_many_rules_are_folded_and_whole(judge):
    rules = [f"RULE_{number}_WITH_A_LONG_NAME" for number in range(60)]
    _verdict, message = judge(answer(1, ",".join(rules)))
    assert message.values("x-spam-status") == [f"No, score=1.0 required=5.0 tests={', '.join(rules)}"]
    assert max(map(len, Path(message.text).read_bytes().split(b"\n"))) <= 78


def test_what_came_as_a_verdict_goes(judge):
    text = b"X-Spam-Flag: NO\nX-SPAM-Whatever: 1\n x\nSubject: x\n\nX-Spam-Flag: in the body\n"
    for size in (512000, 10):
        _verdict, message = judge(1, text=text, max_size=size)
        assert Path(message.text).read_bytes().endswith(b"\nSubject: x\n\nX-Spam-Flag: in the body\n"[size < 100 :])
        assert message.values("x-spam-flag") == []
        assert message.values("x-spam-whatever") == []


def test_it_goes_even_where_spamd_is_down(daemon, letter):
    message = letter(b"X-Spam-Flag: NO\n\n")
    with pytest.raises(Down):
        Filter(Settings(socket=f"{daemon.path}.gone")).check(message)
    message.commit()
    assert Path(message.text).read_bytes() == b"\n"


def test_spam_goes_into_junk(judge):
    verdict, message = judge(7)
    assert verdict.note == f"7 BAYES_99,GTUBE; into Junk of {ALICE}"
    assert delivered(message) == ["alice-junk@example.com"]
    assert message.values("x-spam-flag") == ["YES"]
    assert message.values("x-spam-level") == ["*******"]
    assert message.values("x-spam-status")[0].startswith("Yes, score=7.0 required=5.0 tests=")


def test_who_has_no_mailbox_here_gets_it_tagged(judge):
    _verdict, message = judge(7, to=[RELAYED, ALICE.title()])
    assert delivered(message) == [RELAYED, "Alice-junk@Example.Com"]
    assert message.values("x-spam-flag") == ["YES"]


def test_the_worst_is_refused(judge):
    verdict, message = judge(1000)
    assert verdict.action == "refuse"
    assert verdict.reply == (
        "554 5.7.1 This mail scores 1000, which is spam here; if it is none, write to postmaster@example.com"
    )
    assert delivered(message) == [ALICE]


def test_the_postmaster_is_that_of_the_address_that_was_written(judge):
    verdict, _message = judge(1000, to=[f"{ALICE} rfc822;sales@example.org"])
    assert verdict.reply.endswith("postmaster@example.org")


# The score, the settings, the recipients, and where each gets it; nobody where it is refused.
RULES = {
    "exactly at a threshold counts": (5.0, {}, [ALICE], ["alice-junk@example.com"]),
    "just below does not": (4.9, {}, [ALICE], [ALICE]),
    "exactly at refusal counts": (10.0, {}, [ALICE], []),
    "no refusal where it is off": (1000, {"reject_score": None}, [ALICE], ["alice-junk@example.com"]),
    "no junk where it is off": (7, {"junk_score": None}, [ALICE], [ALICE]),
    "refused when all would": (12, {"recipients": {BOB: {"reject_score": 11.0}}}, [ALICE, BOB], []),
    "junk for who would refuse, where another would not": (
        12,
        {"recipients": {BOB: {"reject_score": 15.0, "junk_score": 13.0}}},
        [ALICE, BOB],
        [BOB, "alice-junk@example.com"],
    ),
    "who would refuse has Junk even without a junk_score": (
        12,
        {"junk_score": None, "recipients": {BOB: {"off": True}}},
        [ALICE, BOB],
        [BOB, "alice-junk@example.com"],
    ),
    "one who is off, whose Junk gets it already": (
        1000,
        {"recipients": {ALICE: {"off": True}}},
        ["alice-junk@example.com"],
        ["alice-junk@example.com"],
    ),
    "one who is off is not refused": (1000, {"recipients": {ALICE: {"off": True}}}, [ALICE], [ALICE]),
    "an exception for a domain": (1000, {"recipients": {"@example.com": {"off": True}}}, [ALICE], [ALICE]),
    "the address wins over its domain": (
        1000,
        {"recipients": {"@example.com": {"off": True}, ALICE: {"reject_score": 20.0}}},
        [ALICE],
        [],
    ),
    "capitals do not count": (
        1000,
        {"recipients": {"Alice@Example.com": {"off": True}}},
        ["ALICE@example.COM"],
        ["ALICE@example.COM"],
    ),
    "the address that was written spares from refusal": (
        1000,
        {"recipients": {"sales@example.com": {"off": True}}},
        [f"{ALICE} rfc822;sales@example.com"],
        ["alice-junk@example.com"],
    ),
    "and from nothing else, as it may be a lie": (
        7,
        {"recipients": {"sales@example.com": {"junk_score": None}}},
        [f"{ALICE} sales@example.com"],
        ["alice-junk@example.com"],
    ),
    "the postmaster may be sent spam": (
        1000,
        {},
        [f"{ALICE} rfc822;postmaster@example.com"],
        ["alice-junk@example.com"],
    ),
    "an exception of null is never": (
        1000,
        {"recipients": {ALICE: {"reject_score": None, "junk_score": None}}},
        [ALICE],
        [ALICE],
    ),
}


@pytest.mark.parametrize(("score", "settings", "to", "where"), RULES.values(), ids=RULES)
def test_each_recipient_is_treated_by_the_rule(judge, score, settings, to, where):
    verdict, message = judge(score, to=to, **settings)
    if where:
        assert verdict.action == "pass"
        assert delivered(message) == where
    else:
        assert verdict.action == "refuse"


def test_the_flag_goes_by_the_lowest_tag_score(judge):
    low = {"recipients": {BOB: {"tag_score": 3.0}}}
    _verdict, message = judge(4, to=[ALICE, BOB], **low)
    assert message.values("x-spam-flag") == ["YES"]
    _verdict, message = judge(4, to=[ALICE], **low)
    assert message.values("x-spam-flag") == []
    _verdict, message = judge(7, tag_score=None)
    assert message.values("x-spam-flag") == []
    assert message.values("x-spam-status")[0].startswith("No, score=7.0 tests=")


REPORTS = "program-watch_2dtake@mx1.example.com"


@pytest.mark.parametrize(
    ("to", "asked"),
    [
        ([REPORTS], 0),
        ([REPORTS, ALICE], 1),
        ([f"{ALICE} {REPORTS}"], 1),
        (["program-watch_2darrived@mx1.example.com"], 1),
    ],
    ids=["a report", "a copy", "somebody who claims it", "another program"],
)
def test_a_complaint_may_hold_the_spam_that_it_is_about(judge, daemon, to, asked):
    verdict, _message = judge(1000, to=to)
    assert (daemon.asked, verdict.action) == (asked, "refuse" if REPORTS not in to else "pass")


def test_spamd_is_not_asked_where_all_are_off(judge, daemon):
    verdict, message = judge(1000, recipients={ALICE: {"off": True}})
    assert (verdict.action, daemon.asked) == ("pass", 0)
    assert verdict.note == "not scored: the recipients do not want it"
    assert Path(message.text).read_bytes() == b"Subject: x\n\nbody\n"


def test_what_is_too_large_passes_with_a_note(judge, daemon):
    verdict, message = judge(1000, max_size=5)
    assert (verdict.action, daemon.asked) == ("pass", 0)
    assert verdict.note == f"not scored: {message.size} bytes, max_size is 5"


DOWN = {
    "nothing": (b"", "spamd hung up"),
    "an error": (b"SPAMD/1.0 76 Bad header line: x\r\n", "spamd says: SPAMD/1.0 76 Bad header line: x"),
    "half a status": (b"SPAMD/1.1 0 EX_", "spamd says: SPAMD/1.1 0 EX_"),
    "half a header": (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5", "spamd gave half an answer"),
    "no score": (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n", "half an answer"),
    "half a body": (answer(1)[:-3], "half an answer"),
    "a score that is no number": (answer("1.2.3"), "spamd gave no score"),
    "another language": (b"220 mail ESMTP\r\n", "spamd says: 220 mail ESMTP"),
}


@pytest.mark.parametrize(("text", "reason"), DOWN.values(), ids=DOWN)
def test_what_is_no_answer_is_down(judge, text, reason):
    with pytest.raises(Down, match=reason):
        judge(text)


def test_a_silent_spamd_is_down_in_time(judge, daemon):
    daemon.silent = True
    began = time.monotonic()
    with pytest.raises(Down, match=r"within 0\.2 s"):
        judge(1, timeout=0.2)
    assert time.monotonic() - began < 2


def test_no_rules_are_none(judge):
    assert understood(answer(0, "")) == Scored(0.0, 5.0, [])
    _verdict, message = judge(answer(0, ""))
    assert message.values("x-spam-status") == ["No, score=0.0 required=5.0 tests=none"]


REFUSED = {
    "junk above reject": (
        {"junk_score": 12.0},
        "reject_score is 10 and junk_score is 12, so what looks less like spam would be treated harder; "
        "write tag_score <= junk_score <= reject_score, or null for what shall never be done",
    ),
    "tag above junk": ({"tag_score": 6.0}, "junk_score is 5 and tag_score is 6, so"),
    "tag above reject, without junk": (
        {"tag_score": 11.0, "junk_score": None},
        "reject_score is 10 and tag_score is 11, so",
    ),
    "no number": ({"reject_score": float("nan")}, "reject_score is nan; write a number, or null to switch it off"),
    "a name without @": (
        {"recipients": {"alice": {}}},
        "recipients: 'alice' is nobody; write an address, @example.com",
    ),
    "an unknown exception": (
        {"recipients": {ALICE: {"reject": 1}}},
        "recipients: alice@example.com: there is no setting reject; did you mean reject_score?",
    ),
    "an exception of another type": (
        {"recipients": {ALICE: {"off": 1}}},
        "recipients: alice@example.com: off is 1; write true or false",
    ),
    "an exception out of order with the rest": (
        {"recipients": {ALICE: {"junk_score": 20.0}}},
        "recipients: alice@example.com: reject_score is 10 and junk_score is 20, so",
    ),
    "no path": ({"socket": "127.0.0.1:783"}, "the path of spamd's socket"),
    "no time": ({"timeout": -1}, "seconds, at most 600"),
    "no size": ({"max_size": 0}, "a number of bytes"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_settings(settings, message):
    with pytest.raises(SettingsError) as error:
        build(Settings, settings)
    assert message in str(error.value)
