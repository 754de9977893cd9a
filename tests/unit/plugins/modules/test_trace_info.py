"""The same as mailtrace, for playbooks."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plugins.module_utils._watch._trace_journal import JournalError
from plugins.modules import trace_info
from tests.unit.run_module import run_module
from tests.unit.traced import judged, line, named, traced

TOLD = [
    judged(0.9),
    named(0.9),
    line(1, "courierd", "newmsg,id=ID: dns; mail.example.net (mail.example.net [::ffff:192.0.2.7])"),
    line(1.1, "courierd", "started,id=ID,from=<ann@example.net>,module=local,host=x,addr=<bob@example.com>"),
    line(1.2, "courierlocal", "id=ID,from=<ann@example.net>,addr=<bob@example.com>,success: Message delivered."),
    line(
        1.3,
        "courieresmtpd",
        "error,relay=::ffff:192.0.2.7,port=39336,from=<ann@example.net>,to=<bob@example.com>: 550 No",
    ),
]


@pytest.fixture
def _journal(monkeypatch):
    monkeypatch.setattr(trace_info, "trace", lambda asked: traced(TOLD, address=asked.address))


@pytest.mark.usefixtures("_journal")
@pytest.mark.parametrize("check", [False, True])
def test_says_what_became_of_it(check):
    answer = run_module(trace_info, check=check, address="bob@example.com")
    assert answer["changed"] is False
    (one,) = answer["messages"]
    assert one["recipients"][0]["state"] == "delivered"
    assert "delivered to the mailbox of bob@example.com" in answer["text"]
    assert answer["refusals"][0]["reply"] == "550 No"


@pytest.mark.usefixtures("_journal")
def test_what_it_returns_is_documented():
    answer = run_module(trace_info, address="bob@example.com")
    documented = yaml.safe_load(trace_info.RETURN)
    assert set(answer) - {"changed"} == set(documented)
    assert set(answer["messages"][0]) == set(documented["messages"]["contains"])
    assert set(answer["refusals"][0]) == set(documented["refusals"]["contains"])
    rows = documented["messages"]["contains"]["recipients"]["contains"]
    assert set(answer["messages"][0]["recipients"][0]) == set(rows)
    told = rows["attempts"]["description"]
    assert all(f"(ignore:{name})" in told for name in answer["messages"][0]["recipients"][0]["attempts"][0])


BAD = {
    "nothing": ({}, "one of the following is required: id, address, host"),
    "no time": ({"address": "bob@example.com", "since": "once"}, "since is 'once'; write a time such as"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_bad_questions(arguments, said):
    answer = run_module(trace_info, **arguments)
    assert answer["failed"]
    assert said in answer["msg"]


def test_a_journal_that_cannot_be_read(monkeypatch):
    def fail(_asked):
        raise JournalError("journalctl: Permission denied")

    monkeypatch.setattr(trace_info, "trace", fail)
    assert run_module(trace_info, address="bob@example.com")["msg"] == "journalctl: Permission denied"


def test_the_page_has_every_option():
    page = (Path(__file__).parents[4] / "docs/trace.md").read_text()
    assert all(f"--{name}" in page for name in trace_info.SPEC)
