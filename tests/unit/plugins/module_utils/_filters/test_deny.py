from __future__ import annotations

import subprocess

import pytest

from plugins.module_utils._courier.smtpaccess import parse as courier_reads
from plugins.module_utils._filters import deny
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._store import DAY, Event, Store
from plugins.module_utils._filters.deny import Settings, parse, render, scores, wanted
from tests.unit.filtered import addresses

DEFAULT = (
    "127.0.0.1\tallow,RELAYCLIENT\n192.0.2.1\tallow,RELAYCLIENT\n198.51.100\tallow,BLOCK\n:2001:0db8:0005\tdeny\n"
    "*\tallow,SIZELIMIT=1000\n"
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """smtpaccess of a host, its hits, and a compiler that notes its runs."""
    (tmp_path / "smtpaccess").mkdir()
    (tmp_path / "smtpaccess/default").write_text(DEFAULT)
    found = type("Site", (), {})()
    found.store = Store(str(tmp_path / "store.sqlite"))
    found.compiled, found.refuses = [], False
    found.file = tmp_path / "smtpaccess/filtered"

    def compile_(command, **_options):
        found.compiled.append(found.file.read_text())
        if found.refuses:
            raise subprocess.CalledProcessError(1, command, stderr=b"duplicate")
        (tmp_path / "smtpaccess.dat").write_text("")

    monkeypatch.setattr(deny.subprocess, "run", compile_)
    settings = {"store": str(tmp_path / "store.sqlite"), "known": addresses(tmp_path)}
    found.run = lambda dry=False, **given: deny.run(Settings(**settings | given), str(tmp_path), dry=dry)
    found.hit = lambda source, times=3: [found.store.add("trap", source, 1.0, "spam trap") for _time in range(times)]
    return found


def test_hits_count_half_after_the_half_life():
    events = [Event("192.0.2.9", 0, 1.0, "a"), Event("192.0.2.9", 7 * DAY, 2.0, "b"), Event("192.0.2.8", 0, 0.0, "c")]
    (score,) = scores(events, 7.0, 14 * DAY)
    assert (score.worth, score.hits, score.last, score.note) == (0.25 + 1.0, 2, 7 * DAY, "b")


def test_an_entry_stays_until_it_has_faded():
    found = scores([Event("192.0.2.9", 0, 2.0, "")], 7.0, 0)
    assert wanted(found, [], Settings()) == []
    assert wanted(found, ["192.0.2.9"], Settings()) == ["192.0.2.9"]
    assert wanted(found, [], Settings(threshold=2.0)) == ["192.0.2.9"]


@pytest.mark.parametrize("reply", ["550 5.7.1 Go away, please", ""])
def test_courier_and_we_read_what_we_write(reply):
    sources = ["192.0.2.9", "2001:db8:1:2::/64"]
    text = render(sources, reply)
    assert parse(text) == sources
    read = courier_reads(text)
    assert [entry.network for entry in read] == sources
    assert {entry.action for entry in read} == {"allow" if reply else "deny"}
    assert {entry.variables.get("BLOCK") for entry in read} == {reply or None}


def test_refuses_who_hit_often_enough(site):
    site.hit("203.0.113.9")
    site.hit("203.0.113.8", 2)
    done = site.run()
    assert (done.entries, done.added, done.removed) == (["203.0.113.9"], ["203.0.113.9"], [])
    assert site.compiled == [site.file.read_text()]
    assert '203.0.113.9\tallow,BLOCK="550 5.7.1 ' in site.file.read_text()


def test_compiles_only_what_changed(site):
    site.hit("203.0.113.9")
    site.run()
    site.run()
    assert len(site.compiled) == 1


def test_writes_nothing_where_there_was_nothing(site):
    assert site.run().entries == []
    assert not site.file.exists()
    assert site.compiled == []


def test_an_entry_leaves_when_it_has_faded(site, monkeypatch):
    site.hit("203.0.113.9")
    site.run()
    now = deny.time.time() + 30 * DAY
    monkeypatch.setattr(deny.time, "time", lambda: now)
    done = site.run()
    assert (done.entries, done.removed) == ([], ["203.0.113.9"])
    assert "203.0.113.9" not in site.file.read_text()
    assert len(site.compiled) == 2


SPARED = {
    "a managed network": "192.0.2.3",
    "what smtpaccess names": "192.0.2.1",
    "a network that it names": "198.51.100.7",
    "a network of IPv6": "2001:db8:5:1::/64",
    "what settings name": "203.0.113.200",
    "ourselves": "127.0.0.2",
}


@pytest.mark.parametrize("source", SPARED.values(), ids=SPARED)
def test_never_refuses(site, source):
    site.hit(source, 9)
    assert site.run(never=["203.0.113.128/25"]).passed == [source]
    assert not site.file.exists()


def test_an_own_address_is_one_that_can_be_bound():
    assert deny._is_ours("127.0.0.1")
    assert not deny._is_ours("192.0.2.200")


def test_an_entry_leaves_when_the_operator_names_the_client(site):
    site.hit("203.0.113.9")
    site.run()
    (site.file.parent / "default").write_text(DEFAULT + "203.0.113.9\tallow,BLOCK\n")
    assert site.run().removed == ["203.0.113.9"]


def test_does_not_guess_whom_to_spare(site):
    site.hit("203.0.113.9")
    with pytest.raises(OSError, match="none"):
        site.run(known="/none.json")
    assert not site.file.exists()


def test_a_refusal_of_the_compiler_puts_the_list_back(site):
    site.hit("203.0.113.9")
    site.refuses = True
    with pytest.raises(subprocess.CalledProcessError):
        site.run()
    assert not site.file.exists()
    site.refuses = False
    site.run()
    before = site.file.read_text()
    site.hit("203.0.113.10")
    site.refuses = True
    with pytest.raises(subprocess.CalledProcessError):
        site.run()
    assert site.file.read_text() == before


def test_a_dry_run_writes_nothing(site):
    site.hit("203.0.113.9")
    assert site.run(dry=True).added == ["203.0.113.9"]
    assert not site.file.exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"half_life": 0}, "half_life is 0; write a number of days above 0"),
        ({"until": 3.0}, "until is 3.0; write more than 0, and not more than threshold, which is 2.5"),
        ({"never": ["x"]}, "never is 'x'; write networks such as 192.0.2.0/24 or 2001:db8::/32"),
        (
            {"reply": 'go "away"'},
            "reply is 'go \"away\"'; write a code and a text of ASCII without quotes, such as 550 5.7.1 Go away",
        ),
    ],
)
def test_refuses_settings(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, given)
    assert str(refusal.value) == sentence


def test_the_list_ends(tmp_path, site, monkeypatch):
    site.file.write_text("192.0.2.9\tdeny\n")
    compiled = []
    monkeypatch.setattr(deny.subprocess, "run", lambda command, **_: compiled.append((command, site.file.exists())))
    deny.end(str(tmp_path))
    assert compiled == [(["/usr/sbin/makesmtpaccess"], False)]
