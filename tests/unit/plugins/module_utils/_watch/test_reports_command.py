from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from plugins.module_utils._watch import _reports_store, reports
from tests.unit.reported import complaint, dmarc_letter

PACKAGE = Path(reports.__file__).parent
NOBODY = 65534


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A host where another user takes reports."""
    monkeypatch.setattr(reports, "_become", lambda _directory: None)
    return tmp_path


def configure(place, **given):
    path = place / "reports.json"
    said = {"domains": ["example.com"], "hosts": ["mx1.example.com"], "store": str(place / "store.sqlite"), **given}
    path.write_text(json.dumps(said))
    return str(path)


def run(monkeypatch, configuration, *arguments, raw=b""):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    return reports.main(["--configuration", configuration, *arguments])


def recent(**given):
    now = time.time()
    return dmarc_letter(begin=now - 86400, end=now - 3600, **given)


def test_takes_and_says_what_it_has(place, monkeypatch, capsys):
    configuration = configure(place)
    assert run(monkeypatch, configuration, "take", raw=recent()) == 0
    assert run(monkeypatch, configuration, "take", raw=complaint()) == 0
    assert capsys.readouterr().err.splitlines() == [
        "courier-mail-watch: dmarc of example.net: taken",
        "courier-mail-watch: complaint of example.net: taken",
    ]
    assert run(monkeypatch, configuration, "reports", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["complaints"]["offender"]["account"] == "alice@example.com"
    assert run(monkeypatch, configuration, "reports") == 0
    assert "DMARC, by domain and day" in capsys.readouterr().out


@pytest.mark.parametrize("raw", [b"", b"x", recent(domain="example.test"), b"\0" * 100_000])
def test_what_is_no_good_is_done_with(place, monkeypatch, capsys, raw):
    assert run(monkeypatch, configure(place), "take", raw=raw) == 0
    assert "not taken, " in capsys.readouterr().err


def no_directory(place):
    return configure(place, store=str(place / "none/store.sqlite"))


def no_configuration(place):
    return str(place / "none.json")


def wrong_configuration(place):
    return configure(place, days=-1)


def damaged_store(place):
    (place / "store.sqlite").write_bytes(b"x" * 10_000)
    return configure(place)


def newer_store(place):
    sqlite3.connect(place / "store.sqlite").execute("PRAGMA user_version = 7")
    return configure(place)


@pytest.mark.parametrize("spoil", [no_directory, no_configuration, wrong_configuration, damaged_store, newer_store])
def test_what_is_wrong_here_keeps_the_message_in_the_queue(place, monkeypatch, capsys, spoil):
    assert run(monkeypatch, spoil(place), "take", raw=recent()) == 75
    assert capsys.readouterr().err.startswith("courier-mail-watch: cannot take reports now: ")


def test_a_library_that_is_missing_does_too(place, monkeypatch):
    monkeypatch.setattr(reports.mail, "LIBRARIES", ("authres", "a_library_that_nobody_has"))
    assert run(monkeypatch, configure(place), "take", raw=recent()) == 75


def test_a_message_that_does_not_end_does_too(place, monkeypatch):
    monkeypatch.setattr(reports, "_SECONDS", 1)
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    assert reports.main(["--configuration", configure(place), "take"]) == 75
    os.close(writing)


def test_root_takes_nothing_for_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reports.os, "geteuid", lambda: 0)
    monkeypatch.setattr(reports.os, "stat", lambda _path: os.stat_result((0,) * 10))
    with pytest.raises(reports.Unfit, match="belongs to root"):
        reports._become(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody")
def test_root_becomes_who_takes_reports():
    """The program as a host has it, with a store of nobody's."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)
        shutil.copytree(PACKAGE, place / "courier_mail_watch", ignore=shutil.ignore_patterns("__pycache__"))
        (place / "state").mkdir()
        os.chown(place / "state", NOBODY, NOBODY)
        configuration = configure(place, store=str(place / "state/store.sqlite"))
        done = subprocess.run(
            [sys.executable, "-m", "courier_mail_watch.reports", "--configuration", configuration, "take"],
            input=recent(), capture_output=True, check=False, cwd=place,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"courier-mail-watch: dmarc of example.net: taken\n")
        assert {os.stat(one).st_uid for one in (place / "state").iterdir()} == {NOBODY}


def test_before_the_first_report_there_is_nothing(place, monkeypatch, capsys):
    configuration = configure(place)
    assert run(monkeypatch, configuration, "reports") == 0
    assert capsys.readouterr().out.startswith("No report has come since 20")
    assert run(monkeypatch, configuration, "reports", "--json") == 0
    assert json.loads(capsys.readouterr().out)["complaints"]["offender"] is None
    assert not (place / "store.sqlite").exists()


def test_forgets_what_is_old(place, monkeypatch, capsys):
    configuration = configure(place)
    assert run(monkeypatch, configuration, "take", raw=recent()) == 0
    old = time.time() + 500 * 86400
    monkeypatch.setattr(_reports_store.time, "time", lambda: old)
    assert run(monkeypatch, configuration, "reports", "prune") == 0
    with sqlite3.connect(place / "store.sqlite") as database:
        assert database.execute("SELECT count(*) FROM reports").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM dmarc").fetchone() == (0,)


ENTRY = {
    "name": "Example", "kind": "fbl", "url": "https://example.net/", "state": "active", "applied": "2024-01-01",
    "due": "2024-02-01", "for": ["example.com"],
}  # fmt: skip


def test_what_is_late_fails(place, monkeypatch, capsys):
    configuration = configure(place, registrations=[ENTRY, {**ENTRY, "name": "Well", "due": "2999-01-01"}])
    assert run(monkeypatch, configuration, "registrations", "due") == 1
    assert capsys.readouterr().out.startswith("late  Example (example.com): renew it")
    assert run(monkeypatch, configuration, "registrations", "--json") == 1
    assert [one["state"] for one in json.loads(capsys.readouterr().out)] == ["late", "well"]


def test_nothing_is_due(place, monkeypatch, capsys):
    configuration = configure(place, registrations=[{**ENTRY, "due": "2999-01-01"}])
    assert run(monkeypatch, configuration, "registrations", "due") == 0
    assert capsys.readouterr().out == "Nothing is due.\n"


@pytest.mark.parametrize("arguments", [["reports", "--days", "0"], ["reports", "--days", "x"], ["forget"], []])
def test_refuses_arguments_without_sense(arguments):
    with pytest.raises(SystemExit) as ended:
        reports.main(arguments)
    assert ended.value.code == 2
