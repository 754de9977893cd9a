"""What a host tells of itself, whatever it has or lacks."""

from __future__ import annotations

import pytest

from plugins.module_utils._report import _host
from plugins.modules import report_info
from tests.unit.run_module import run_module


@pytest.fixture(autouse=True)
def bare(tmp_path, monkeypatch):
    """A host that has nothing but a journal of one line."""
    program = tmp_path / "journalctl"
    text = "newmsg,id=0000000000200001.000000006AD0B03C.0000109F: dns; a (a [203.0.113.9])"
    line = f"$(date +%s).5 mx1 courierd[7]: {text}"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "{line}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("QUEUE", "FILTERS", "BACKUP", "FETCHED", "BANS"):
        monkeypatch.setattr(_host, name, str(tmp_path / "none"))
    for name in ("queue", "filters", "backup", "fetched", "bans"):
        whole = getattr(_host, name)
        monkeypatch.setattr(whole, "__defaults__", (str(tmp_path / "none"),))
    monkeypatch.setattr(report_info, "runner", lambda _module: lambda *_command: (127, ""))


def test_a_host_that_has_nothing_says_so():
    answer = run_module(report_info, days=1, slots=4)
    assert answer["changed"] is False
    assert answer["troubles"] == {}
    report = answer["report"]
    assert sum(report["journal"]["incoming"]["foreign"]) == 1
    assert report["journal"]["complete"] is True
    none = {name for name, value in report.items() if value is None}
    assert none == {"queue", "units", "filters", "backup", "fetched", "bans", "lists", "findings", "reports"}


def test_one_part_that_fails_hides_no_other(monkeypatch):
    def fail(*_given):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(_host, "queue", fail)
    answer = run_module(report_info, days=1)
    assert answer["troubles"] == {"queue": "RuntimeError: the disk is gone"}
    assert answer["report"]["journal"]["lines"] == 1


def test_without_days_the_journal_is_not_read(tmp_path):
    assert run_module(report_info, days=0)["report"]["journal"] is None
    assert not (tmp_path / "asked").exists()


def test_reads_files_of_a_journal(tmp_path):
    run_module(report_info, days=1, journal="/srv/journal", check=True)
    asked = (tmp_path / "asked").read_text()
    assert "--directory=/srv/journal" in asked
    assert "_UID" not in asked


@pytest.mark.parametrize("given", [{"days": -1}, {"days": 367}, {"slots": 0}, {"lines": 0}], ids=str)
def test_refuses(given):
    answer = run_module(report_info, **given)
    assert answer["failed"]
    assert next(iter(given)) in answer["msg"]
    assert "write a number from" in answer["msg"]
