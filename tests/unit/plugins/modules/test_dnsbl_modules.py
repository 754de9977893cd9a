"""Lists that are tested before they are switched on, and lists of our own."""

from __future__ import annotations

import os

import pytest

from plugins.module_utils._filters._configuration import render
from plugins.module_utils._filters._dnslist import Entry
from plugins.module_utils._filters._resolve import Temporary
from plugins.modules import dnsbl_info, rbldnsd
from tests.unit.run_module import run_module

GONE = {"zone": "gone.example.org", "answers": ["127.0.0.2"]}
WELL = {"zone": "well.example.org", "answers": ["127.0.0.2"]}


@pytest.fixture(autouse=True)
def dns(monkeypatch):
    def ask(name, _kind):
        if name.endswith("dead.example.org"):
            raise Temporary("DNS has no answer: silence")
        return ["127.0.0.2"] if name == "2.0.0.127.well.example.org" else []

    monkeypatch.setattr(Entry, "resolver", lambda _entry, _seconds: ask)


@pytest.fixture
def ask(tmp_path):
    def ask(*lists, used=(), check=False, **given):
        path = tmp_path / "modules.conf"
        path.write_text(render(["dnsbl"], {}, {"dnsbl": {"blocklists": list(used)}})[1])
        return run_module(dnsbl_info, check=check, blocklists=list(lists), configuration=str(path), **given)

    return ask


def test_a_list_that_is_well_is_believed(ask):
    assert ask(WELL)["lists"] == [{"zone": "well.example.org", "broken": "", "used": False}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (GONE, "gone.example.org: 127.0.0.2 must be listed with 127.0.0.2, and the answer is that it is not"),
        (GONE | {"zone": "dead.example.org"}, "dead.example.org: DNS has no answer: silence"),
        ({"zone": "x.example.org"}, "mail_blocklists: x.example.org has no answers"),
    ],
)
def test_another_is_not_switched_on(ask, given, said):
    answer = ask(WELL, given)
    assert answer["failed"]
    assert said in answer["msg"]


def test_one_that_is_used_is_no_obstacle(ask):
    assert ask(GONE, used=[GONE | {"reason": "another"}])["lists"][0]["used"]
    assert ask(GONE | {"answers": ["127.0.0.3"]}, used=[GONE])["failed"]


def test_verify_only_wants_to_know(ask):
    answer = ask(GONE, strict=False)
    assert "failed" not in answer
    assert answer["lists"][0]["broken"].startswith("127.0.0.2 must be listed")


def test_a_check_goes_on(ask):
    assert "failed" not in ask(GONE, check=True)


def test_what_is_served_and_what_is_left(tmp_path, monkeypatch):
    unit = tmp_path / "courier-rbldnsd.service"
    monkeypatch.setattr(rbldnsd, "UNIT", str(unit))
    written = []
    monkeypatch.setattr(rbldnsd, "run", lambda module, plan: written.append(plan(module.params)))
    for zones in ({"block": "bl.example.com"}, {}):
        run = {"zones": zones, "host": "mx1.example.com", "directory": str(tmp_path)}
        with pytest.raises(IndexError):  # it answers nothing here
            run_module(rbldnsd, **run)
    first, last = ({os.path.basename(file.path): file.text for file in one.files} for one in written)
    assert "127.0.0.2" in first["block4"]
    assert first["allow4"] is None
    assert "block4.listed" not in first
    assert f"touch -a {tmp_path}/block4.listed {tmp_path}/block6.listed\n" in first[unit.name]
    assert "-b 127.0.0.1/8053 bl.example.com:ip4set:block4,block4.listed" in first[unit.name]
    assert set(last.values()) == {None}
    assert {"block4", "block4.listed", "allow6.listed", unit.name} <= set(last)
