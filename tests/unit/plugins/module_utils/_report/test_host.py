"""How a host stands: what commands say, and what lies on its disk."""

from __future__ import annotations

import json
import sqlite3

import pytest

from plugins.module_utils._report import _host

NOW = 1_795_000_000


def commands(**answers):
    """Answers by the words of a command that are named, joined; what is not foreseen does not exist."""

    def run(*command):
        line = " ".join(command)
        for words, answer in answers.items():
            if all(word in line for word in words.split()):
                return answer if isinstance(answer, tuple) else (0, answer)
        return 127, ""

    return run


def message(directory, number, *records, at=NOW):
    (directory / "1").mkdir(exist_ok=True)
    lines = ["sbob@example.net", f"M0000000000200001.{at:016X}.0000109F", *records]
    (directory / "1" / f"C{number}").write_text("".join(f"{line}\n" for line in lines))


class TestQueue:
    def test_says_what_waits_and_for_how_long(self, tmp_path):
        message(tmp_path, 1, "rdave@example.net", "R", "N", at=NOW - 60)
        message(tmp_path, 2, "rdave@example.net", "R", "N", "rcarol@example.org", "R", "N", "S0 1", at=NOW - 90_000)
        message(tmp_path, 3, "rdave@example.net", "R", "N", "S0 1")
        message(tmp_path, 4, "rdave@example.net", "R", "N", "X")
        found = _host.queue(NOW, str(tmp_path))
        assert (found["messages"], found["recipients"], found["oldest"]) == (2, 2, 90_000)
        assert {age: count for age, count in found["ages"].items() if count} == {"5 minutes": 1, "longer": 1}
        assert found["domains"] == [{"text": "example.net", "count": 1}, {"text": "example.org", "count": 1}]

    def test_a_file_may_be_odd(self, tmp_path):
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "C1").write_bytes(b"M\nS\nrx\nN\n\xff\0")
        (tmp_path / "1" / "C2").mkdir()
        assert _host.queue(NOW, str(tmp_path))["messages"] == 1

    def test_there_is_none(self, tmp_path):
        assert _host.queue(NOW, str(tmp_path / "none")) is None


def test_says_which_units_have_failed_and_which_do_not_run():
    shown = (
        "Id=courier.service\nActiveState=active\nType=forking\n\n"
        "Id=courier-mta.service\nActiveState=inactive\nType=forking\n\n"
        "Id=courier-mail-learn.service\nActiveState=inactive\nType=oneshot\n\n"
        "Id=courier-mail-deny.timer\nActiveState=active\n"
    )
    run = commands(
        **{
            "list-units --state=failed": "clamav-daemon.service loaded failed failed Clam\n",
            "list-unit-files --state=enabled": "courier.service enabled enabled\nphp8.4-fpm@.service enabled enabled\n"
            "courier-mta.service enabled enabled\ncourier-mail-learn.service enabled enabled\n"
            "courier-mail-deny.timer enabled enabled\n",
            "show --property": shown,
        }
    )
    assert _host.units(run) == {"failed": ["clamav-daemon.service"], "stopped": ["courier-mta.service"], "watched": 4}


def test_says_what_filters_say(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()

    def greet(path):
        if path.endswith("c"):
            raise ConnectionRefusedError(111, "Connection refused")
        return {"a": "200 Ok", "b": "451 4.3.0 Later"}[path[-1]]

    monkeypatch.setattr(_host, "greet", greet)
    found = {one["name"]: (one["ok"], one["said"]) for one in _host.filters(str(tmp_path))}
    assert found == {
        "a": (True, "lets harmless mail in"),
        "b": (False, "451 4.3.0 Later"),
        "c": (False, "Connection refused"),
    }


def test_says_until_when_certificates_last(tmp_path):
    for name in ("a.crt", "b.crt"):
        (tmp_path / name).touch()

    def describe(path):
        if path.endswith("b.crt"):
            raise ValueError("it holds no certificate in PEM")
        return ["mx1.example.com"], NOW

    found = _host.certificates([f"{tmp_path}/*.crt", "/nowhere/*.crt", "/nowhere/x.crt"], describe)
    assert [(one["path"].rpartition("/")[2], one["until"], one["said"]) for one in found] == [
        ("x.crt", NOW, ""),
        ("a.crt", NOW, ""),
        ("b.crt", None, "it holds no certificate in PEM"),
    ]


STATES = {
    "all": (
        '{"finished": 5, "proved": 4, "bytes": 3, "minutes": 1, "restore_minutes": 2.5}',
        {"finished": 5, "proved": 4, "restore_minutes": 2.5},
    ),
    "texts where numbers are": ('{"finished": "now"}', {"finished": None, "error": ""}),
    "an error": ('{"error": "the target is full"}', {"error": "the target is full"}),
    "no JSON": ("{", {"error": "Expecting property name"}),
    "a list": ("[]", {"error": "is no dictionary"}),
}


@pytest.mark.parametrize(("text", "expected"), STATES.values(), ids=STATES)
def test_says_what_the_backup_says(tmp_path, text, expected):
    (tmp_path / "state.json").write_text(text)
    found = _host.backup(str(tmp_path / "state.json"))
    for name, value in expected.items():
        assert value in found[name] if isinstance(value, str) else found[name] == value
    assert _host.backup(str(tmp_path / "none")) is None


def test_says_when_mailboxes_elsewhere_were_reached(tmp_path):
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "reached").touch()
    run = commands(
        **{
            "list-unit-files fetchmail@*": "fetchmail@.service static -\nfetchmail@bob.service enabled enabled\n",
            "list-units fetchmail@*.service": "fetchmail@bob.service loaded active running Bob\n"
            "fetchmail@eve.service loaded failed failed Eve\n",
        }
    )
    bob, eve = _host.fetched(run, str(tmp_path))
    assert (bob["name"], bob["state"], bob["reached"] is not None) == ("bob", "active", True)
    assert eve == {"name": "eve", "state": "failed", "reached": None}
    assert _host.fetched(commands()) is None


def test_says_who_is_banned(tmp_path):
    path = tmp_path / "fail2ban.sqlite3"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE bans (jail TEXT, ip TEXT, timeofban INTEGER)")
    database.executemany(
        "INSERT INTO bans VALUES (?, ?, ?)",
        [("a", "203.0.113.9", NOW), ("a", "203.0.113.8", NOW - 9), ("a", "x", 5), ("courier-proof", "x", NOW)],
    )
    database.commit()
    database.close()
    run = commands(banned="[{'a': ['203.0.113.9']}, {'b': []}, {'courier-proof': []}]\n")
    assert _host.bans(run, NOW - 60, str(path))["jails"] == [
        {"name": "a", "banned": 1, "bans": 2},
        {"name": "b", "banned": 0, "bans": 0},
    ]
    assert "does not say" in _host.bans(commands(), NOW, str(path))["error"]
    assert _host.bans(run, NOW, str(tmp_path / "none")) is None


def test_says_which_lists_are_broken():
    said = (
        "bl.example.net (bad hosts): well\nwl.example.net (good hosts): not tested yet\n"
        "gone.example.net (bad hosts): broken since 2026-11-01 10:00: it lists 127.0.0.1\nThere is more.\n"
    )
    assert [(one["zone"], one["kind"], one["ok"]) for one in _host.lists(commands(lists=(1, said)))] == [
        ("bl.example.net", "bad", True),
        ("wl.example.net", "good", None),
        ("gone.example.net", "bad", False),
    ]
    assert _host.lists(commands()) is None


def test_says_what_the_watch_says():
    finding = {"part": "queue", "subject": "age", "state": "bad", "said": "It waits.", "since": 5, "more": 1}
    found = _host.findings(commands(findings=(1, json.dumps([finding]))))
    assert found == [{name: value for name, value in finding.items() if name != "more"}]
    assert _host.findings(commands()) is None
    assert _host.findings(commands(findings="no JSON")) is None
    assert _host.reports(commands(reports='{"dmarc": {}}'), 7) == {"dmarc": {}}


def test_says_how_full_file_systems_are(tmp_path):
    (tmp_path / "below").mkdir()
    (one,) = _host.places([str(tmp_path), str(tmp_path / "below"), "/nowhere/at/all"])
    assert one["path"] == str(tmp_path)
    assert 0 <= one["used"] <= 1
