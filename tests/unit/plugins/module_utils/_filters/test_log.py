"""One line a message, whatever is in it."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils._filters._verdict import PASS, Judged, Outcome, refuse
from plugins.module_utils._filters.log import Filter, Settings, line

NOTHING = Outcome(PASS, [])


def read(text):
    assert text.startswith("courier_mail: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert text.isascii()
    assert text[:-1].isprintable()
    return json.loads(text.removeprefix("courier_mail: "))


def test_says_who_wrote_to_whom_and_what_came_of_it(letter, capsys):
    message = letter(to=["alice@example.com sales@example.com", "bob@example.com"], records=["icarol@example.com"])
    one = Filter(Settings())
    assert one.check(message) == PASS
    verdict = refuse("554 5.7.1 No", "Eicar")
    one.finish(message, Outcome(verdict, [Judged("log", PASS, 0.0), Judged("clamd", verdict, 0.25)]))
    assert read(capsys.readouterr().err) == {
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
    assert "hello" not in line(letter(), NOTHING).lower()


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
