# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts do with their mail: what is refused, what is written, and what the program makes of it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import sqlite3
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given
from hypothesis import strategies as st

from plugins.action.validate import refusal
from plugins.module_utils._courier.features import FeatureError, Site, folder, lines_and_rules, passed_on
from plugins.module_utils._courier.forwards import Inside
from plugins.modules.userdb import SPEC

PROGRAM = Path(__file__).parents[5] / "roles/courier_auth/files/deliver.py"
FORWARDER = "/usr/local/lib/courier-mail/forward"
ALICE = "alice@example.com"
REPLY = {"text": "I am away.\n"}
SHOP = {"match": [{"field": "subject", "contains": "order"}], "file": "Shop"}

spec = importlib.util.spec_from_file_location("deliver", PROGRAM)
deliver = importlib.util.module_from_spec(spec)
spec.loader.exec_module(deliver)


def whole(*accounts):
    """What the module is told, to keep, since Ansible writes defaults into it."""
    accounts = [{"address": ALICE, **account} for account in json.loads(json.dumps(accounts))]
    return {"accounts": accounts, "domains": ["example.com"], "mail_root": "/v", "uid": 5, "gid": 5}


def validated(**account):
    """The account as the module gets it."""
    done = ArgumentSpecValidator(SPEC).validate(whole(account))
    assert not done.error_messages
    return done.validated_parameters["accounts"][0]


def plan(*, extensions=False, needs_end=False, **account):
    ours = Inside(["example.com"])
    return lines_and_rules(
        validated(**account), ALICE, Site("deliver", extensions, needs_end, forward=(FORWARDER, ours))
    )


def said(**account):
    """What the program reads."""
    lines, (text,) = plan(**account)
    assert lines == ("|| deliver",)
    return json.loads(text)


def test_an_account_without_features_has_no_program():
    assert plan() == ((), ())
    assert plan(courier=["./Maildir", "&bob@example.com"]) == (("./Maildir", "&bob@example.com"), ())
    # With extensions, what comes to them goes the same way.
    assert plan(extensions=True) == ((), ())
    lines, (text,) = plan(extensions=True, courier=["./Maildir", "&bob@example.net"])
    assert list(lines) == json.loads(text)["lines"] == [f"| {FORWARDER} {ALICE} bob@example.net", "./Maildir"]


FORWARDS = {
    "here, and nothing stays": ({"to": ["bob@example.com"]}, ["&bob@example.com"]),
    "here, and it stays": ({"to": ["bob@example.com"], "keep": True}, ["./Maildir", "&bob@example.com"]),
    "elsewhere by the service, before what stays": (
        {"to": ["bob@example.net"], "keep": True},
        [f"| {FORWARDER} {ALICE} bob@example.net", "./Maildir"],
    ),
}


@pytest.mark.parametrize(("forward", "lines"), FORWARDS.values(), ids=FORWARDS)
def test_forward(forward, lines):
    assert said(forward=forward)["lines"] == lines


REFUSED = {
    "forward to no address": ({"forward": {"to": []}}, "forward.to has no address"),
    "forward to a name": ({"forward": {"to": ["bob"]}}, "'bob' is not an address such as"),
    "forward to a program": ({"forward": {"to": ["|rm@example.com"]}}, "is not an address such as"),
    "forward to two in one": ({"forward": {"to": ["a@example.com,b@example.com"]}}, "is not an address such as"),
    "forward to itself": ({"forward": {"to": ["Alice@example.com"]}}, "would pass mail on to itself"),
    "forward and lines": (
        {"forward": {"to": ["bob@example.com"]}, "courier": ["./Maildir"]},
        "forward and courier both say where mail goes",
    ),
    "a reply without text": ({"vacation": {"text": " \n"}}, "vacation.text is empty; write what others shall read"),
    "a subject of two lines": ({"vacation": {**REPLY, "subject": "a\nBcc: x"}}, "vacation.subject is not one line"),
    "no days": ({"vacation": {**REPLY, "every": 0}}, "vacation.every is 0; write days from 1 to 365"),
    "a day that is none": (
        {"vacation": {**REPLY, "until": "2026-02-30"}},
        "vacation.until is '2026-02-30'; write a day",
    ),
    "an end before the beginning": (
        {"vacation": {**REPLY, "since": "2026-08-02", "until": "2026-08-01"}},
        "vacation ends on 2026-08-01, before it begins",
    ),
    "a rule without an action": (
        {"rules": [{"match": SHOP["match"]}]},
        "rules: number 1 does nothing; write one or more of file,",
    ),
    "a rule for everything": ({"rules": [{"match": [], "file": "Shop"}]}, "matches nothing; write conditions"),
    "a rule that keeps what it throws away": ({"rules": [{**SHOP, "discard": True}]}, "discards, and has file"),
    "a rule with keep alone": ({"rules": [{**SHOP, "keep": True}]}, "keep belongs to forward"),
    "a rule to itself": (
        {"rules": [{"name": "x", "match": SHOP["match"], "forward": [ALICE]}]},
        "rules: x: forward: alice@example.com would pass mail on to itself",
    ),
    "a folder that leads out": ({"rules": [{**SHOP, "file": "../bob"}]}, "'../bob' cannot be a folder"),
    "a folder with a backslash": ({"rules": [{**SHOP, "file": "a\\"}]}, "cannot be a folder"),
    "a folder of IMAP": ({"rules": [{**SHOP, "file": "INBOX.Shop"}]}, "write Shop"),
    "a condition of nothing": ({"rules": [{**SHOP, "match": [{"field": "from"}]}]}, "has nothing to look for"),
    "a condition of two": (
        {"rules": [{**SHOP, "match": [{"field": "from", "contains": "a", "matches": "b"}]}]},
        "a condition has contains and matches; write one",
    ),
    "contains without a field": ({"rules": [{**SHOP, "match": [{"contains": "a"}]}]}, "contains wants field"),
    "spam with a field": ({"rules": [{**SHOP, "match": [{"field": "from", "spam": True}]}]}, "spam has no field"),
    "a field that is none": (
        {"rules": [{**SHOP, "match": [{"field": "a b", "contains": "a"}]}]},
        "is not the name of a header",
    ),
    "a pattern that is none": (
        {"rules": [{**SHOP, "match": [{"field": "to", "matches": "("}]}]},
        "'(' does not compile",
    ),
    "a size that is none": (
        {"rules": [{**SHOP, "match": [{"larger_than": "5 MB"}]}]},
        "'5 MB' is not a size such as 500K",
    ),
    "a reply of a rule without text": ({"rules": [{**SHOP, "reply": {"text": ""}}]}, "number 1: reply.text is empty"),
}


@pytest.mark.parametrize(("account", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(account, sentence):
    with pytest.raises(FeatureError) as refused:
        plan(**account)
    assert str(refused.value).startswith(f"{ALICE}: ")
    assert sentence in str(refused.value)


def test_a_vacation_without_end_is_refused_where_the_site_says_so():
    assert "until" not in said(vacation=REPLY)["vacation"]
    with pytest.raises(FeatureError, match="vacation has no end, which mail_vacation_needs_end demands"):
        plan(vacation=REPLY, needs_end=True)
    assert plan(vacation={**REPLY, "until": "2026-08-31"}, needs_end=True)


MISSPELT = {
    "an unknown action": ({"rules": [{"match": SHOP["match"], "move": "Shop"}]}, "move"),
    "an unknown mark": ({"rules": [{**SHOP, "mark": ["red"]}]}, "mark"),
    "a reply without text": ({"vacation": {"subject": "x"}}, "text"),
    "forward to nobody": ({"forward": {"keep": True}}, "to"),
    "a quota that is no size": ({"quota": "lots"}, "quota 'lots' is not a size such as 500M"),
}


@pytest.mark.parametrize(("account", "named"), MISSPELT.values(), ids=MISSPELT)
def test_refused_on_the_controller(account, named):
    assert named in refusal("userdb", whole(account))


def test_two_that_forward_to_each_other_are_refused_without_the_service_too():
    accounts = [
        {"address": ALICE, "rules": [{"match": SHOP["match"], "forward": ["bob@example.com"]}]},
        {"address": "bob@example.com", "forward": {"to": [ALICE], "keep": True}},
    ]
    assert "never arrive" in refusal("userdb", whole(*accounts))
    assert passed_on(accounts[0]) == ["bob@example.com"]
    assert passed_on({"address": ALICE, "courier": ["&a@example.com"], "forward": None}) == ["a@example.com"]


def test_folders_have_one_spelling():
    assert folder("x", "U\u0308bung.2026") == "Übung.2026"


LETTER = """\
From: Bob <bob@example.net>
To: Alice <alice@example.com>
Subject: =?utf-8?q?Your_=C3=9Cbung?= and
 the order
Message-ID: <1@example.net>
"""


def fields(*more, letter=LETTER):
    return deliver.parse("".join([letter, *(f"{one}\n" for one in more), "\nSubject: body\n"]).encode())


def decide(account, *more, size=100, environment=None, today="2026-08-01"):
    return deliver.decide(said(**account), fields(*more), size, environment or {}, today)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The account's home."""
    monkeypatch.chdir(tmp_path)
    for part in ("new", "cur", "tmp", ".Shop/cur", ".Shop/tmp", ".Sent/cur", ".Übung.2026/cur"):
        (tmp_path / "Maildir" / part).mkdir(parents=True)
    return tmp_path


CONDITIONS = {
    "a text": ({"field": "subject", "contains": "ORDER"}, True),
    "an encoded text": ({"field": "Subject", "contains": "your übung and the"}, True),
    "another text": ({"field": "subject", "contains": "body"}, False),
    "a pattern": ({"field": "from", "matches": r"<bob@.*\.net>$"}, True),
    "another pattern": ({"field": "from", "matches": r"^bob@"}, False),
    "Cc is To": ({"field": "to", "contains": "carol@"}, True),
    "a list": ({"field": "list-id", "contains": "talk.example.net"}, True),
    "no such field": ({"field": "x-mailer", "contains": "a"}, False),
    "larger": ({"larger_than": "1K"}, True),
    "not larger": ({"larger_than": "2K"}, False),
    "spam": ({"spam": True}, True),
}


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS.values(), ids=CONDITIONS)
def test_condition(condition, holds):
    lines, _replies = decide(
        {"rules": [{"match": [condition], "discard": True}]},
        "Cc: carol@example.com",
        "List-Id: Talk <talk.example.net>",
        "X-Spam-Flag: YES",
        size=2048,
    )
    assert (lines == []) is holds


def test_all_conditions_must_hold_and_the_first_rule_wins():
    both = {"match": [*SHOP["match"], {"spam": True}], "discard": True}
    rules = [both, SHOP, {"match": SHOP["match"], "file": "Other"}]
    assert decide({"rules": rules})[0] == ["./Maildir/.Shop/"]
    assert decide({"rules": rules}, "X-Spam-Flag: YES")[0] == []


ACTIONS = {
    "file": ({"file": "Shop"}, ["./Maildir/.Shop/"]),
    "mark": ({"mark": ["seen"]}, [f"| {deliver.PROGRAM} --into '' S"]),
    "file and mark": ({"file": "A b", "mark": ["seen", "flagged"]}, [f"| {deliver.PROGRAM} --into 'A b' FS"]),
    "forward": ({"forward": ["bob@example.com"]}, ["&bob@example.com"]),
    "forward and keep": ({"forward": ["bob@example.com"], "keep": True}, ["&bob@example.com", "./Maildir"]),
    "reply": ({"reply": REPLY}, ["./Maildir"]),
}


@pytest.mark.parametrize(("action", "lines"), ACTIONS.values(), ids=ACTIONS)
def test_action(action, lines):
    account = {"rules": [{"match": SHOP["match"], **action}], "vacation": REPLY}
    found, replies = decide(account)
    assert found == lines
    assert [one["key"] == said(**account)["vacation"]["key"] for one in replies] == ["reply" not in action]


def test_a_folder_is_made_and_subscribed(home):
    decide({"rules": [{**SHOP, "file": "New.One"}]})
    assert (home / "Maildir/.New.One/new").is_dir()
    assert (home / "Maildir/courierimapsubscribed").read_text() == "INBOX.New.One\n"


EXTENSIONS = {
    "shop": ["./Maildir/.Shop/"],
    "übung.2026": ["./Maildir/.Übung.2026/"],
    "nothing": ["./Maildir"],
    "sent": ["./Maildir"],
    "../shop": ["./Maildir"],
    ".": ["./Maildir"],
    "*": ["./Maildir"],
}


@pytest.mark.parametrize(("extension", "lines"), EXTENSIONS.items(), ids=EXTENSIONS)
def test_an_extension_goes_into_its_folder_and_makes_none(home, extension, lines):
    before = sorted(home.rglob("*"))
    plain = {"address": ALICE, "own": [], "name": "", "lines": ["./Maildir"]}
    assert deliver.decide(plain, fields(), 1, {"EXT": extension})[0] == lines
    assert sorted(home.rglob("*")) == before


def test_an_extension_of_an_account_with_instructions_of_somebody_else(home):
    (home / ".courier").write_text("| vacation\n./Maildir\n")
    assert deliver.rules({"EXT": "shop"})["lines"] == ["| vacation", "./Maildir"]
    with pytest.raises(FileNotFoundError):
        deliver.rules({"EXT": ""})


AWAY = {
    "before": ("2026-07-31", 0),
    "on the first day": ("2026-08-01", 1),
    "on the last day": ("2026-08-31", 1),
    "after": ("2026-09-01", 0),
}


@pytest.mark.parametrize(("today", "number"), AWAY.values(), ids=AWAY)
def test_a_vacation_has_days(today, number):
    account = {"vacation": {**REPLY, "since": "2026-08-01", "until": "2026-08-31"}}
    assert len(decide(account, today=today)[1]) == number


SILENT = {
    "null sender": ("", [], "no sender"),
    "itself": ("ALICE@example.com", [], "itself"),
    "noreply": ("no-reply@example.net", [], "nobody reads"),
    "a list's bounces": ("talk-bounces+alice=example.com@example.net", [], "nobody reads"),
    "owner": ("owner-talk@example.net", [], "nobody reads"),
    "request": ("talk-request@example.net", [], "nobody reads"),
    "list": ("bob@example.net", ["List-Id: <talk.example.net>"], "list"),
    "newsletter": ("bob@example.net", ["List-Unsubscribe: <mailto:a@example.net>"], "list"),
    "auto-replied": ("bob@example.net", ["Auto-Submitted: auto-replied (vacation)"], "not written by somebody"),
    "auto-generated": ("bob@example.net", ["Auto-Submitted: auto-generated; x=y"], "not written by somebody"),
    "bulk": ("bob@example.net", ["Precedence: bulk"], "went to many"),
    "Exchange": ("bob@example.net", ["X-Auto-Response-Suppress: OOF, AutoReply"], "wants none"),
    "report": ("bob@example.net", ["Content-Type: multipart/report; boundary=x"], "report"),
    "spam": ("bob@example.net", ["X-Spam-Flag: YES"], "spam"),
}


@pytest.mark.parametrize(("sender", "more", "why"), SILENT.values(), ids=SILENT)
def test_there_is_no_reply_to(sender, more, why):
    assert why in deliver.why_silent(sender, {ALICE}, fields(*more))


@pytest.mark.parametrize("sender", ["bob@example.net", "norbert@example.net", "SRS0=a=b=example.org=bob@example.net"])
def test_there_is_a_reply_to(sender):
    assert deliver.why_silent(sender, {ALICE}, fields("Auto-Submitted: no")) == ""


def test_there_is_a_reply_only_when_the_account_is_named():
    other = LETTER.replace("To: Alice <alice@", "To: <carol@")
    assert "not written to" in deliver.why_silent("bob@example.net", {ALICE}, fields(letter=other))
    assert not deliver.why_silent(
        "bob@example.net", {ALICE}, fields("Cc: x@example.net, ALICE@example.com", letter=other)
    )


def test_the_reply():
    vacation = {"text": "Ich übe.\n.\nBis bald.", "subject": "Fort » bis Montag"}
    account = said(name="Alice Ä", vacation=vacation)
    letter = message_from_bytes(
        deliver.answer(account["vacation"], "bob@example.net", account, fields()), policy=policy.default
    )
    assert letter["Auto-Submitted"] == "auto-replied"
    assert letter["From"] == "Alice Ä <alice@example.com>"
    assert (letter["To"], letter["In-Reply-To"]) == ("bob@example.net", "<1@example.net>")
    assert letter["Subject"] == vacation["subject"]
    assert letter.get_content().strip() == vacation["text"]


def test_the_reply_names_the_subject_that_it_is_about():
    account = said(vacation=REPLY)
    text = deliver.answer(account["vacation"], "bob@example.net", account, fields())
    assert message_from_bytes(text, policy=policy.default)["Subject"] == "Auto: Your Übung and the order"


def test_the_same_sender_hears_it_once(monkeypatch):
    sent = []
    monkeypatch.setattr(deliver, "_send", lambda text, recipient: sent.append(recipient))
    account = said(vacation=REPLY)
    for sender in ("bob@example.net", "Bob@example.net", "carol@example.net"):
        deliver.reply(account["vacation"], account, fields(), {"SENDER": sender})
    assert sent == ["bob@example.net", "carol@example.net"]
    # After that, and when the text is another one.
    with sqlite3.connect(".mailreplies") as store:
        store.execute("UPDATE replies SET at = at - ?", (7 * 86400 + 1,))
    deliver.reply(account["vacation"], account, fields(), {"SENDER": "bob@example.net"})
    other = said(vacation={"text": "Another."})
    deliver.reply(other["vacation"], other, fields(), {"SENDER": "bob@example.net"})
    assert sent[2:] == ["bob@example.net"] * 2


def test_a_reply_that_fails_is_tried_with_the_next_message(monkeypatch):
    account = said(vacation=REPLY)

    def fail(_text, _recipient):
        raise OSError("no sendmail")

    monkeypatch.setattr(deliver, "_send", fail)
    deliver.reply(account["vacation"], account, fields(), {"SENDER": "bob@example.net"})
    sent = []
    monkeypatch.setattr(deliver, "_send", lambda text, recipient: sent.append(recipient))
    deliver.reply(account["vacation"], account, fields(), {"SENDER": "bob@example.net"})
    assert sent == ["bob@example.net"]


def run(home, *arguments, text=LETTER, **environment):
    """The program as Courier runs it."""
    return subprocess.run(
        [sys.executable, "-IS", str(PROGRAM), *arguments],
        input=text.encode(),
        capture_output=True,
        cwd=home,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
    )


def write(home, **account):
    (home / ".mailrules").write_text(f"# Managed by Ansible\n{plan(**account)[1][0]}\n")


def test_what_courier_is_told(home):
    write(home, rules=[SHOP], forward={"to": ["bob@example.com"], "keep": True})
    assert run(home).stdout == b"./Maildir/.Shop/\n"
    assert run(home, text="Subject: x\n\n").stdout == b"./Maildir\n&bob@example.com\n"
    write(home, rules=[{"match": SHOP["match"], "discard": True}])
    assert run(home).stdout == b"# nothing\n"


BROKEN = {"no rules": None, "cut off": "# Managed by Ansible\n{", "empty": ""}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_mail_waits_when_the_program_cannot_work(home, text):
    if text is not None:
        (home / ".mailrules").write_text(text)
    done = run(home)
    assert (done.returncode, done.stdout) == (75, b"")


def test_marked_mail_is_whole_and_counted(home):
    (home / "Maildir/maildirsize").write_text("5000S\n100 1\n")
    told = {"RPLINE": "Return-Path: <bob@example.net>\n", "DTLINE": f"Delivered-To: {ALICE}\n", "MAILDIRQUOTA": "5000S"}
    done = run(home, "--into", "Shop", "FS", **told)
    assert done.returncode == 0
    (path,) = (home / "Maildir/.Shop/cur").iterdir()
    assert path.name.endswith(f",S={path.stat().st_size}:2,FS")
    assert path.read_text() == f"Return-Path: <bob@example.net>\nDelivered-To: alice@example.com\n{LETTER}"
    assert (home / "Maildir/maildirsize").read_text() == f"5000S\n100 1\n{path.stat().st_size} 1\n"


QUOTAS = {
    "no quota": ("", "5000S\n9999 1\n", False),
    "room": ("5000S", "5000S\n100 1\n", False),
    "no room": ("5000S", "5000S\n4990 1\n", True),
    "too many": ("5000S,2C", "5000S,2C\n100 2\n", True),
    "noted for another quota": ("5000S", "9000S\n100 1\n", True),
    "nothing noted": ("5000S", None, True),
}


@pytest.mark.parametrize(("quota", "noted", "full"), QUOTAS.values(), ids=QUOTAS)
def test_a_full_mailbox_is_noticed_before_anything_is_done(home, quota, noted, full):
    for number in (1, 2):
        (home / f"Maildir/cur/{number},S=2495:2,S").touch()
    (home / "Maildir/cur/3,S=9999:2,ST").touch()
    if noted:
        (home / "Maildir/maildirsize").write_text(noted)
    write(home, forward={"to": ["bob@example.com"], "keep": True})
    done = run(home, MAILDIRQUOTA=quota)
    assert (done.returncode, done.stdout) == (
        (75, b"The mailbox is full.\n") if full else (0, b"./Maildir\n&bob@example.com\n")
    )
    # Where nothing is kept, there is always room.
    write(home, forward={"to": ["bob@example.com"]})
    assert run(home, MAILDIRQUOTA=quota).returncode == 0


def test_what_is_noted_wrongly_keeps_nobody_waiting(home):
    (home / "Maildir/maildirsize").write_text("5000S\n9999 1\n")
    write(home, vacation={**REPLY, "since": "2099-01-01"})
    assert run(home, MAILDIRQUOTA="5000S").returncode == 0
    assert not (home / "Maildir/maildirsize").exists()


NASTY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(NASTY, NASTY)
def test_no_pattern_or_name_becomes_an_instruction(pattern, name):
    account = {"name": name, "rules": [{**SHOP, "name": name, "match": [{"field": "subject", "contains": pattern}]}]}
    lines, (text,) = plan(**account)
    assert lines == ("|| deliver",)
    assert "\n" not in text
    assert text.isascii()
    found, _replies = deliver.decide(json.loads(text), [("subject", pattern)], 1, {})
    # What has encoded words in it is another text.
    assert found == ["./Maildir/.Shop/"] or "=?" in pattern


@given(NASTY)
def test_a_folder_stays_one_word_in_one_line(name):
    try:
        found = folder("x", name)
    except FeatureError:
        return
    line = deliver._call(found, "S")
    assert shlex.split(line.removeprefix("|")) == [deliver.PROGRAM, "--into", found, "S"]
    assert not set(line + deliver._inbox(found)) & set("\n\r\\\0")
    assert os.path.normpath(deliver._inbox(found)) == f"Maildir/.{found}"
