"""What hosts saw of letters, put together."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from plugins.filter.verify import verify_arrivals, verify_rows, verify_table

LETTER = {
    "direction": "in: local",
    "sender": "root@sat1.example.com",
    "recipient": "alice@example.com",
    "proof": "mailbox",
    "mailbox": "alice@example.com",
    "host": "",
    "port": 25,
    "skipped": "",
    "mark": "m",
    "accepted": True,
    "reached": True,
    "said": "taken by sendmail",
    "began": 100.0,
    "ended": 100.5,
}
ABROAD = {"recipient": "me@example.net", "mailbox": "", "proof": "outside"}
REPORTED = {"proof": "report"}
FOUND = {"mark": "m", "report": False, "folder": "INBOX", "mailbox": "alice@example.com", "tls": "", "at": 101.26}


def delivery(outcome, said="", peer="", next_id="", mark="m", ident="1", recipient="alice@example.com"):
    told = {"outcome": outcome, "said": said, "peer": peer, "next_id": next_id}
    return told | {"mark": mark, "id": ident, "recipient": recipient, "at": 102.0}


def host(name, **noted):
    known = {"name": f"{name}.example.com", "letters": [], "doors": []}
    return {"inventory_hostname": name, "__verify_noted": known | noted}


TO_HUB = delivery("passed", "250 Ok. 2", "mx1.example.com", "2")
AT_HUB = {"mark": "", "ident": "2"}
# What is changed in the letter, what the satellite saw, what the hub saw: the result, and what it says.
Case = tuple[dict[str, Any], list[Any], dict[str, Any], str, str]
FATES: dict[str, Case] = {
    "arrived": ({}, [TO_HUB], {"found": [FOUND]}, "ok", "in INBOX of alice@example.com"),
    "arrived over TLS": (
        {},
        [TO_HUB],
        {"found": [FOUND | {"tls": "TLS1.3"}]},
        "ok",
        "in INBOX of alice@example.com, over TLS1.3",
    ),
    "lost": ({}, [], {}, "failed", "nothing is known of it on sat1.example.com"),
    "waits here": ({}, [delivery("waiting", "no")], {}, "failed", "waits on sat1.example.com: no"),
    "waits there": (
        {},
        [TO_HUB],
        {"deliveries": [delivery("waiting", "no", **AT_HUB)]},
        "failed",
        "waits on mx1.example.com: no",
    ),
    "on its way": (
        {},
        [TO_HUB],
        {"deliveries": [delivery("", **AT_HUB)]},
        "failed",
        "on its way on mx1.example.com when the time was over",
    ),
    "passed on to us, and not seen": (
        {},
        [TO_HUB],
        {},
        "failed",
        "mx1.example.com took it from sat1.example.com: 250 Ok. 2",
    ),
    "the contact is with somebody else": (
        {},
        [delivery("passed", "250 ok", "mx.example.net")],
        {},
        "ok",
        "mx.example.net took it from sat1.example.com: 250 ok",
    ),
    "ours, and gone elsewhere": (
        {},
        [delivery("passed", "250 ok", "mx.example.net")],
        {"mailboxes": ["alice@example.com"]},
        "failed",
        "mx.example.net took it from sat1.example.com: 250 ok",
    ),
    "a program of hers took it": (
        {},
        [TO_HUB],
        {"deliveries": [delivery("delivered", **AT_HUB)], "mailboxes": ["alice@example.com"]},
        "ok",
        "delivered on mx1.example.com for alice@example.com, and not in the mailbox",
    ),
    "a catch-all took it": (
        {},
        [TO_HUB],
        {"deliveries": [delivery("delivered", recipient="catchall-x", **AT_HUB)], "mailboxes": ["alice@example.com"]},
        "failed",
        "delivered on mx1.example.com for catchall-x, and not in the mailbox",
    ),
    "of several recipients the worst": (
        {},
        [delivery("passed", "250 ok", "mx.example.net"), delivery("refused", "550 no", recipient="bob@example.com")],
        {},
        "failed",
        "came back from sat1.example.com: 550 no",
    ),
    "abroad": (
        ABROAD,
        [TO_HUB],
        {"deliveries": [delivery("passed", "250 ok", "mx.example.net", **AT_HUB)]},
        "ok",
        "mx.example.net took it from mx1.example.com: 250 ok",
    ),
    "abroad, refused": (
        ABROAD,
        [TO_HUB],
        {"deliveries": [delivery("refused", "550 no", **AT_HUB)]},
        "failed",
        "came back from mx1.example.com: 550 no",
    ),
    "abroad, and only to us": (
        ABROAD,
        [TO_HUB],
        {},
        "failed",
        "mx1.example.com took it from sat1.example.com: 250 Ok. 2",
    ),
    "a report": (
        REPORTED,
        [delivery("refused", "550 no")],
        {"found": [FOUND | {"report": True}]},
        "ok",
        "report in INBOX of alice@example.com",
    ),
    "a report to somebody else's mailbox": (
        REPORTED,
        [delivery("refused", "550 no")],
        {},
        "skipped",
        "whether the report came, alice@example.com knows: came back from sat1.example.com: 550 no",
    ),
    "no report": (
        REPORTED,
        [delivery("refused", "550 no")],
        {"mailboxes": ["alice@example.com"]},
        "failed",
        "no report came: came back from sat1.example.com: 550 no",
    ),
    "the letter itself is no report": (
        REPORTED,
        [delivery("delivered")],
        {"found": [FOUND]},
        "failed",
        "no report came: delivered on sat1.example.com for alice@example.com, and not in the mailbox",
    ),
    "a report is not the letter": (
        {},
        [delivery("refused", "550 no")],
        {"found": [FOUND | {"report": True}]},
        "failed",
        "came back from sat1.example.com: 550 no",
    ),
    "skipped": ({"skipped": "no contact"}, [], {}, "skipped", "no contact"),
    "not taken": ({"accepted": False, "said": "535 No"}, [], {}, "failed", "not taken: 535 No"),
    "not reached": (
        {"accepted": False, "reached": False, "said": "no answer", "host": "mx1.example.com"},
        [],
        {},
        "skipped",
        "the controller cannot reach mx1.example.com:25: no answer",
    ),
    "not reached at home": (
        {"accepted": False, "reached": False, "said": "no answer", "host": "127.0.0.1"},
        [],
        {},
        "failed",
        "not taken: no answer",
    ),
}


@pytest.mark.parametrize(("letter", "deliveries", "hub", "result", "what"), FATES.values(), ids=FATES)
def test_a_letter(letter, deliveries, hub, result, what):
    hosts = [host("sat1", letters=[LETTER | letter], deliveries=deliveries), host("mx1", **hub)]
    (row,) = verify_rows(hosts)
    assert (row["result"], row["what"]) == (result, what)


def test_a_row_says_who_wrote_to_whom_and_how_long_it_took():
    (row,) = verify_rows([host("sat1", letters=[LETTER], found=[FOUND])])
    assert row == {
        "result": "ok",
        "direction": "in: local",
        "host": "sat1",
        "from": "root@sat1.example.com",
        "to": "alice@example.com",
        "seconds": 1.3,
        "what": "in INBOX of alice@example.com",
    }


def test_a_loop_ends():
    loop = delivery("passed", "250 Ok. 1", "sat1.example.com", "1")
    (row,) = verify_rows([host("sat1", letters=[LETTER], deliveries=[loop])])
    assert row["result"] == "failed"


def test_a_host_that_could_not_be_asked_fails():
    (row,) = verify_rows([{"inventory_hostname": "mx1"}])
    assert (row["result"], row["host"], row["direction"]) == ("failed", "mx1", "all")


DOORS = {
    "lasts": (True, 14, "ok", "TLSv1.3, certificate for 14 days"),
    "expires soon": (True, 13, "failed", "TLSv1.3, certificate for 13 days"),
    "expired": (True, -2, "failed", "TLSv1.3, certificate expired 2 days ago"),
    "has none": (True, None, "ok", "TLSv1.3"),
    "is shut": (False, 90, "failed", "TLSv1.3, certificate for 90 days"),
}


@pytest.mark.parametrize(("ok", "days", "result", "what"), DOORS.values(), ids=DOORS)
def test_a_door(ok, days, result, what):
    door = {"door": "smtp 127.0.0.1:465", "ok": ok, "said": "TLSv1.3", "days": days, "seconds": 0.04}
    (row,) = verify_rows([host("mx1", doors=[door])], 14)
    assert (row["result"], row["what"], row["to"], row["seconds"]) == (result, what, "smtp 127.0.0.1:465", 0.0)


@pytest.mark.parametrize(
    ("broken", "result", "what"),
    [("", "ok", "its test points answer as they must"), ("it lists everybody", "failed", "it lists everybody")],
)
def test_a_list_in_dns(broken, result, what):
    (row,) = verify_rows([host("mx1", lists=[{"zone": "bl.example.org", "broken": broken, "used": True}])])
    assert (row["result"], row["direction"], row["to"], row["what"]) == (result, "list", "bl.example.org", what)


def test_reading_has_a_row():
    read = {"ok": False, "said": "Login failed", "user": "bob@example.com", "seconds": 0.5}
    (row,) = verify_rows([host("mx1", read=read)])
    assert (row["result"], row["direction"], row["to"]) == ("failed", "read: IMAP", "bob@example.com")
    assert verify_rows([host("mx1", read={})]) == []


def test_what_others_passed_on_is_known_by_its_new_id():
    others = [host("sat1", deliveries=[TO_HUB, delivery("passed", "250 ok", "mx.example.net")]), host("mx1")]
    assert verify_arrivals([*others, {"inventory_hostname": "gone"}], "mx1.example.com") == ["2"]
    assert verify_arrivals(others, "sat1.example.com") == []


def test_a_table_has_a_line_for_each_row():
    row = dict.fromkeys(("result", "direction", "host", "from", "to", "what"), "x") | {"seconds": None}
    long = row | {"to": "a@example.com", "seconds": 1.25}
    assert verify_table([row, long]) == [
        "result  direction  host  from  to             seconds  what",
        "x       x          x     x     x                       x",
        "x       x          x     x     a@example.com  1.2      x",
    ]


FINDING = {"name": "example.com", "kind": "MX", "state": "ok", "said": "published: 10 mx1.example.com"}
RULE = {"id": "ptr", "host": "mx1.example.com", "domain": "", "ok": True, "evidence": "they agree", "fix": ""}
SMTP = {"door": "smtp 127.0.0.1:25 STARTTLS", "ok": True, "said": "TLSv1.3", "days": 29, "seconds": 0.1}


@pytest.mark.parametrize(("state", "result"), [("ok", "ok"), ("missing", "failed"), ("unanswered", "failed")])
def test_a_record_is_a_row(state, result):
    (row,) = verify_rows([], 14, [FINDING | {"state": state}])
    assert (row["result"], row["direction"], row["to"], row["what"]) == (
        result,
        "dns: MX",
        "example.com",
        "published: 10 mx1.example.com",
    )


def test_rules_of_receivers_are_rows_of_the_host_that_sends():
    rules = [
        RULE,
        RULE | {"id": "spf", "ok": False, "evidence": "no record", "fix": "publish it", "domain": "a.example"},
    ]
    rows = verify_rows([host("mx1", doors=[SMTP]), host("sat1", doors=[SMTP])], 14, [], rules)
    assert [
        (row["result"], row["direction"], row["host"], row["to"], row["what"])
        for row in rows
        if row["direction"].startswith("sender")
    ] == [
        ("ok", "sender rule: ptr", "mx1.example.com", "", "they agree"),
        ("failed", "sender rule: spf", "mx1.example.com", "a.example", "no record; publish it"),
        ("ok", "sender rule: tls", "mx1.example.com", "", "TLSv1.3, certificate for 29 days"),
        (
            "skipped",
            "sender rule: unsubscribe",
            "mx1.example.com",
            "",
            "does not apply: no bulk mail is sent from here",
        ),
    ]


@pytest.mark.parametrize("doors", [[], [SMTP | {"ok": False}], [SMTP | {"days": 3}]])
def test_tls_is_a_rule(doors):
    rows = {row["direction"]: row["result"] for row in verify_rows([host("mx1", doors=doors)], 14, [], [RULE])}
    assert rows["sender rule: tls"] == "failed"


@pytest.mark.parametrize("result", ["skipped", "failed"])
def test_why_there_are_no_records(result):
    (row,) = verify_rows([], 14, [], [], {"skipped": "", "failed": ""} | {result: "because"})
    assert (row["result"], row["direction"], row["what"]) == (result, "dns", "because")


RELAYS = [
    {"door": "smtp 192.0.2.25:25", "who": "stranger", "ok": True, "said": "42 combinations", "seconds": 0.42},
    {"door": "smtp [2001:db8::25]:25", "who": "stranger", "ok": False, "said": "open, foreign: RCPT", "seconds": 0.1},
    {"door": "smtp 192.0.2.25:465", "who": "authenticated", "ok": None, "said": "nothing is proved", "seconds": 0.1},
]


REGISTRATION = {"kind": "fbl", "url": "https://example.net/fbl", "for": ["example.com"], "applied": "2026-01-01"}


@pytest.mark.parametrize(
    ("days", "result", "what"),
    [
        (90, "ok", "it works; it is due in"),
        (20, "ok", "soon: renew it, or see that it still works, at https://example.net/fbl: it is due in"),
        (-3, "failed", "renew it, or see that it still works, at https://example.net/fbl: it was due"),
    ],
)
def test_a_registration_is_one_row_of_the_site(days, result, what):
    due = str(datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=days))
    one = {"name": "Example FBL", "state": "active", "due": due, **REGISTRATION}
    (row,) = verify_rows([host("mx1", registrations=[one]), host("mx2", registrations=[one])])
    assert (row["result"], row["direction"], row["host"], row["to"]) == (result, "registration", "", "Example FBL")
    assert row["what"].startswith(what)


def test_a_registration_without_sense_is_a_row():
    (row,) = verify_rows(
        [host("mx1", registrations=[{"name": "Example FBL", "state": "active", **REGISTRATION, "kind": "x"}])]
    )
    assert (row["result"], row["what"]) == (
        "failed",
        "mail_registrations: Example FBL: kind is 'x'; write one of fbl, allowlist, postmaster_tool",
    )


def test_each_listener_that_was_asked_to_relay_has_a_row():
    rows = verify_rows([host("mx1", relays=RELAYS)])
    assert [(row["result"], row["direction"], row["from"], row["to"], row["what"]) for row in rows] == [
        ("ok", "relay", "stranger", "smtp 192.0.2.25:25", "42 combinations"),
        ("failed", "relay", "stranger", "smtp [2001:db8::25]:25", "open, foreign: RCPT"),
        ("skipped", "relay", "authenticated", "smtp 192.0.2.25:465", "nothing is proved"),
    ]


def test_relaying_can_be_asked_about_alone():
    noted = {"name": "mx1.example.com", "relays": RELAYS[:1]}
    (row,) = verify_rows([{"inventory_hostname": "mx1", "__verify_noted": noted}])
    assert (row["result"], row["direction"]) == ("ok", "relay")


def test_how_a_host_stands_has_rows():
    stands = {"filters": [{"name": "pythonfilter", "ok": False, "said": "451 4.3.0 Later"}], "backup": None}
    webmail = {"host": "webmail.example.com", "ok": False, "said": "no answer"}
    rows = {row["direction"]: row for row in verify_rows([host("mx1", stands=stands, webmail=webmail)])}
    assert {direction: row["result"] for direction, row in rows.items()} == {
        "read: webmail": "failed",
        "filter": "failed",
        "backup": "skipped",
    }
    assert (rows["filter"]["to"], rows["filter"]["what"]) == ("pythonfilter", "451 4.3.0 Later")
    assert rows["read: webmail"]["to"] == "webmail.example.com"


def test_letters_alone_bring_no_other_rows():
    assert verify_rows([host("mx1", webmail={})]) == []
