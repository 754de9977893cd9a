"""What the journal of a host says, counted."""

from __future__ import annotations

import json
import time

import pytest

from plugins.module_utils._report._count import Tally, Top, count
from plugins.module_utils._report._lines import Journal, parse

AT = 1_795_000_000  # a second
ID = f"0000000000200001.{AT:016X}.0000109F"
HOUR = 3600


def journal(*texts, identifier="courierd", at=AT):
    return list(parse(f"{at}.000000 mx1 {identifier}[7]: {text}\n".encode() for text in texts))


def tallied(*lines, relays=("192.0.2.21", "2001:db8::21", "10.", "x")):
    tally = Tally(AT - HOUR, AT + HOUR, 4, relays)
    assert count(lines, tally, 1000)
    return tally.data()


CAME = {
    "from the world": (f"newmsg,id={ID}: dns; a.example.net (b [::ffff:203.0.113.9])", "foreign"),
    "over IPv6": (f"newmsg,id={ID}: dns; a.example.net ([2001:db8:ffff::9])", "foreign"),
    "after a login": (f"newmsg,id={ID}, auth=bob@example.com: dns; [x] (b [::ffff:203.0.113.9])", "authenticated"),
    "from a satellite": (f"newmsg,id={ID}: dns; sat1 (sat1 [::ffff:192.0.2.21])", "satellites"),
    "from a satellite over IPv6": (f"newmsg,id={ID}: dns; sat1 (sat1 [2001:db8::21])", "satellites"),
    "from the program beside fetchmail": (f"newmsg,id={ID}: dns; mx1 ([::ffff:127.25.223.113])", "fetched"),
    "from a program of the host": (f"newmsg,id={ID}: dns; localhost (localhost [127.0.0.1])", "local"),
    "from a program that says nothing": (f"newmsg,id={ID}: dns; localhost", "local"),
}


@pytest.mark.parametrize(("text", "direction"), CAME.values(), ids=CAME)
def test_mail_came(text, direction):
    found = tallied(*journal(text))["incoming"]
    assert {name: sum(slots) for name, slots in found.items() if any(slots)} == {direction: 1}


def test_each_part_of_the_time_has_its_own():
    lines = [
        *journal(CAME["from the world"][0], at=AT - HOUR),
        *journal(CAME["from the world"][0], at=AT + 1),
        *journal(CAME["from the world"][0], at=AT + HOUR),
    ]
    assert tallied(*lines)["incoming"]["foreign"] == [1, 0, 1, 1]


def said(identifier, rest, to="alice@example.com"):
    return journal(f"id={ID},from=<bob@example.net>,addr=<{to}>{rest}", identifier=identifier, at=AT + 3)


WENT = {
    "into a mailbox": ("courierlocal", ",size=9,success: Message delivered.", "mailboxes", "delivered"),
    "to another host": (
        "courieresmtp",
        ",success: delivered: mx.example.net [::ffff:203.0.113.9]",
        "elsewhere",
        "delivered",
    ),
    "later": ("courieresmtp", ",status: deferred", "elsewhere", "deferred"),
    "nowhere": ("courierlocal", ",status: failure", "mailboxes", "failed"),
}


@pytest.mark.parametrize(("identifier", "rest", "where", "result"), WENT.values(), ids=WENT)
def test_mail_went(identifier, rest, where, result):
    found = tallied(*said(identifier, rest))["outgoing"]
    assert {(place, word): sum(n) for place, of_it in found.items() for word, n in of_it.items() if any(n)} == {
        (where, result): 1
    }


REPORTS = {
    "back to its sender": (f"started,id={ID},from=<>,module=dsn,host=,addr=<bob@example.net>", 1),
    "to a name that looks like one": (
        f"started,id={ID},from=<a>,module=local,host=x,addr=<x,module=dsn,host=@example.com>",
        0,
    ),
}


@pytest.mark.parametrize(("text", "number"), REPORTS.values(), ids=REPORTS)
def test_a_report_went(text, number):
    assert sum(tallied(*journal(text))["outgoing"]["reports"]["delivered"]) == number


def test_a_success_counts_once():
    lines = [*said(*WENT["to another host"][:2]), *said("courieresmtp", ",status: success")]
    assert sum(tallied(*lines)["outgoing"]["elsewhere"]["delivered"]) == 1


def test_says_why_mail_waits_and_fails():
    lines = [
        *said("courieresmtp", ": 451 4.7.1 <alice@example.com> Try again, 203.0.113.9"),
        *said("courieresmtp", ",status: deferred"),
        *said("courieresmtp", ": 550 5.1.1 <carol@example.com> unknown", "carol@example.com"),
        *said("courieresmtp", ",status: failure", "carol@example.com"),
    ]
    found = tallied(*lines)
    assert found["waits"] == [{"text": "451 4.7.1 … Try again, …", "count": 1}]
    assert found["fails"] == [{"text": "550 5.1.1 … unknown", "count": 1}]


def test_reasons_that_courier_cut_count_together():
    lines = [
        line
        for cut in ("recip...", "recipient tab...")
        for line in (
            *said(
                "courieresmtp", f": 550 5.1.1 <x@example.com>: Recipient address rejected: User unknown in local {cut}"
            ),
            *said("courieresmtp", ",status: failure"),
        )
    ]
    assert [one["count"] for one in tallied(*lines)["fails"]] == [2]


def test_says_when_the_first_line_was_written():
    assert tallied(*journal("Waiting.", "Waiting."))["first"] == AT
    assert tallied()["first"] is None


def test_says_how_long_it_took():
    found = tallied(*journal(CAME["from the world"][0]), *said(*WENT["into a mailbox"][:2]))["latency"]
    assert (
        dict(zip(found["ends"], found["counts"]["mailboxes"], strict=False))[5]
        == sum(found["counts"]["mailboxes"])
        == 1
    )


def test_knows_by_the_id_when_mail_came_that_waited():
    found = tallied(*journal(f"completed,id={ID}"), *said(*WENT["into a mailbox"][:2]))["latency"]
    assert dict(zip(found["ends"], found["counts"]["mailboxes"], strict=False))[5] == 1


def test_says_who_was_refused_and_why():
    lines = [
        ".9,port=4,from=<a@example.net>,to=<Nobody@example.com>: 550 User <Nobody@example.com> unknown",
        ".9,port=4,from=<a@example.net>,to=<b@example.com>: 550 User <b@example.com> unknown",
        '.10,port=4,msg="535 Authentication failed.",cmd: AUTH LOGIN c2VjcmV0 alice@example.com',
        ".9,port=4,from=<a@gone.example.net>: 517-Domain does not exist: gone.example.net.",
    ]
    lines = [f"error,relay=::ffff:203.0.113{line}" for line in lines]
    found = tallied(*journal(*lines, identifier="courieresmtpd"))
    assert sum(found["refused"]) == 4
    assert {one["text"]: one["count"] for one in found["reasons"]} == {
        "550 User … unknown": 2,
        "535 Authentication failed.": 1,
        "517-Domain does not exist: ….": 1,
    }
    assert found["refused_clients"][0] == {"text": "203.0.113.9", "count": 3}
    assert found["unknown_recipients"][0]["text"] in ("nobody@example.com", "b@example.com")
    assert "c2VjcmV0" not in json.dumps(found)


def judged(**entry):
    whole = {
        "id": ID,
        "verdict": "pass",
        "reply": "",
        "filters": {"log": "pass"},
        "seconds": 0.5,
        "source": "smtp",
    } | entry
    return journal(f"courier_mail: {json.dumps(whole)}", identifier="pythonfilter")


def test_says_what_filters_said():
    lines = [
        *judged(
            filters={"log": "pass", "clamd": "refuse: Eicar"},
            verdict="refuse",
            reply="554 5.7.1 a virus: Eicar",
            seconds=2.0,
        ),
        *judged(
            filters={"log": "pass", "clamd": "down, defer: it does not answer"},
            verdict="defer",
            reply="451 4.3.0 Later",
        ),
        *judged(filters={"log": "pass", "clamd": "pass"}),
    ]
    found = tallied(*lines)
    assert found["verdicts"] == {"refuse": 1, "defer": 1, "pass": 1}
    assert found["filters"]["clamd"] == {"refuse": 1, "down": 1, "pass": 1}
    assert found["looking"] == {"messages": 3, "seconds": 3.0, "slowest": 2.0}
    assert {one["text"] for one in found["refused_by_filters"]} == {"554 5.7.1 a virus: Eicar", "451 4.3.0 Later"}


def test_says_in_which_version_of_tls_mail_came():
    lines = [
        *journal(
            *(
                f"courier_mail_header: {json.dumps({'id': ID, 'client': client, 'tls': tls})}"
                for client, tls in (
                    ("203.0.113.9", "TLS1.3"),
                    ("203.0.113.9", "TLSv1.2"),
                    ("203.0.113.9", ""),
                    ("203.0.113.9", "<b>"),
                    ("203.0.113.9", ["x"]),
                    (None, ""),
                )
            ),
            identifier="pythonfilter",
        )
    ]
    assert tallied(*lines)["tls"] == {"TLS 1.3": 1, "TLS 1.2": 1, "none": 2, "other": 1}


@pytest.mark.parametrize(
    "entry",
    [{"filters": []}, {"filters": {"log": None}}, {"seconds": "x"}, {"verdict": 7}, {"reply": {}}],
    ids=str,
)
def test_a_line_of_filters_may_be_odd(entry):
    assert tallied(*judged(**entry))["looking"]["messages"] == 1


def test_the_probe_of_a_run_is_no_mail():
    assert tallied(*judged(id="probe"))["verdicts"] == {}


def test_counts_logins_and_handshakes_that_failed():
    lines = [
        *journal("LOGIN FAILED, user=x, ip=[::ffff:203.0.113.9], port=[1]", identifier="imapd-ssl"),
        *journal("LOGIN, user=x, ip=[::ffff:203.0.113.9], port=[1]", identifier="imapd-ssl"),
        *journal(
            "courieresmtpd: STARTTLS failed: ip=[::ffff:203.0.113.9], No supported cipher suites have been found.",
            identifier="courieresmtpd",
        ),
    ]
    found = tallied(*lines)
    assert found["failed_logins"] == 1
    assert found["failed_handshakes"] == [{"text": "No supported cipher suites have been found.", "count": 1}]


FORGED = {
    "a recipient that looks like a success": (
        f"started,id={ID},from=<a>,module=local,host=x,addr=<id={ID},from=<a>,addr=<b>,success: x>"
    ),
    "a client that looks like a line": f"newmsg,id={ID}: dns; x newmsg,id={ID}: dns; y ([::ffff:203.0.113.9])",
    "a refusal with a success in it": f"error,relay=::ffff:203.0.113.9,port=1,from=<id={ID},success: x>: 517 no",
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_nothing_is_delivered_by(text):
    for identifier in ("courierd", "courieresmtpd", "courierlocal"):
        found = tallied(*journal(text, identifier=identifier))
        assert sum(sum(of_it["delivered"]) for of_it in found["outgoing"].values()) == 0
        assert sum(map(sum, found["incoming"].values())) <= 1


def test_what_goes_on_over_several_lines_is_no_line():
    raw = [
        b"1.0 mx1 courierd[1]: Waiting.\n",
        b"     2.0 mx1 courierd[1]: newmsg\n",
        b"\n",
        b"-- Boot x --\n",
        b"3.0 a b c\n",
        b"x.0 a b: c\n",
    ]
    assert [line.text for line in parse(raw)] == ["Waiting."]


def test_strangers_cannot_fill_the_memory():
    top = Top(most=100)
    for number in range(5000):
        top.add("often")
        top.add(f"once {number}")
    shown = top.shown(3)
    assert shown[0]["text"] == "often"
    assert shown[0]["count"] == 5000
    assert sum(one["count"] for one in shown) == 10_000
    assert len(top._counts) <= 101


def test_stops_where_there_are_too_many():
    tally = Tally(AT - HOUR, AT + HOUR, 4)
    assert not count(journal(*["Waiting."] * 10), tally, 5)
    assert tally.data()["lines"] == 5


def test_reads_what_journalctl_says(tmp_path, monkeypatch):
    program = tmp_path / "journalctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "1.0 mx1 courierd[1]: Waiting."\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert [line.text for line in Journal(5.4, [0, 108]).lines()] == ["Waiting."]
    asked = (tmp_path / "asked").read_text().split()
    assert {"--since=@5", "_UID=0", "_UID=108", "courieresmtpd", "imapd-ssl"} <= set(asked)


def test_says_what_journalctl_complains_about(tmp_path, monkeypatch):
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\necho 'No journal files were found.' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(OSError, match=r"journalctl: No journal files"):
        list(Journal(0, []).lines())


def test_a_reader_that_has_enough_does_not_wait(tmp_path, monkeypatch):
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\nwhile :; do echo "1.0 mx1 courierd[1]: Waiting."; done\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    began = time.monotonic()
    assert not count(Journal(0, []).lines(), Tally(0, 1, 1), 100)
    assert time.monotonic() - began < 10
