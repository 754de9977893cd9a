"""mailtrace: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils._watch import __main__, trace
from plugins.module_utils._watch._trace_journal import JournalError
from tests.unit.traced import named, traced


@pytest.fixture
def asked(monkeypatch):
    """Answers of one message that waits, and what was asked for."""
    heard = []

    def answer(query, directory):
        heard.append((query, directory))
        return (
            traced([named(1)], address="list@example.org")
            if query.address != "nobody@example.com"
            else traced([], id="xyz")
        )

    monkeypatch.setattr(trace, "trace", answer)
    return heard


WORDS = {
    "an address": (["bob@example.com"], {"address": "bob@example.com"}),
    "a Message-ID": (["<1@example.net>"], {"word": "1@example.net"}),
    "Courier's id": (["000000000020e307.000000006b069d9b.00000b81"], {"id": "000000006B069D9B.00000B81"}),
    "another host's id": (["E85671F806A"], {"word": "E85671F806A"}),
    "a Message-ID without brackets": (["--id", "1@example.net"], {"word": "1@example.net"}),
    "a local name": (["--address", "root"], {"address": "root"}),
    "an address and a host": (["bob@example.com", "--host", "::ffff:192.0.2.7"], {"host": "192.0.2.7"}),
    "an address and an id": (
        ["bob@example.com", "<1@example.net>"],
        {"address": "bob@example.com", "word": "1@example.net"},
    ),
    "how many": (["bob@example.com", "--most=5"], {"most": 5}),
    "as a word of the watch": (["trace", "bob@example.com"], {"address": "bob@example.com"}),
}


@pytest.mark.parametrize(("words", "meant"), WORDS.values(), ids=WORDS)
def test_what_is_meant(asked, words, meant):
    assert trace.main(words) == 0
    assert meant.items() <= vars(asked[0][0]).items()


def test_for_people(asked, capsys):
    assert trace.main(["list@example.org", "--directory", "/srv/journal"]) == 0
    said = capsys.readouterr().out
    assert "<1@example.net> from ann@lists.example.net, by its header\n" in said
    assert said.endswith("The journal begins at " + said.rpartition("The journal begins at ")[2])
    assert asked[0][1] == "/srv/journal"


def test_for_programs(asked, capsys):
    assert __main__.main(["trace", "list@example.org", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"][0]["message_id"] == "<1@example.net>"


def test_nothing_known(asked, capsys):
    assert trace.main(["nobody@example.com"]) == 1
    assert capsys.readouterr().out.startswith("Nothing is known of it. There is no journal.")


BAD = {
    "nothing": ([], "nothing is asked; write an id, an address or a host"),
    "two addresses": (["a@example.com", "b@example.com"], "there are two of address, a@example.com and b@example.com"),
    "no time": (["a@example.com", "--since", "once"], "since is 'once'; write a time such as"),
}


@pytest.mark.parametrize(("words", "said"), BAD.values(), ids=BAD)
def test_bad_questions(asked, capsys, words, said):
    assert trace.main(words) == 64
    assert capsys.readouterr().err.startswith(f"mailtrace: {said}")
    assert not asked


def test_a_journal_that_cannot_be_read(monkeypatch, capsys):
    def fail(_query, _directory):
        raise JournalError("journalctl: Permission denied")

    monkeypatch.setattr(trace, "trace", fail)
    assert trace.main(["bob@example.com"]) == 69
    assert capsys.readouterr().err == "mailtrace: journalctl: Permission denied\n"
