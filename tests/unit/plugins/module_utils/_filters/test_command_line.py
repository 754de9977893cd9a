from __future__ import annotations

import os

import pytest

from plugins.module_utils._filters import __main__ as command
from plugins.module_utils._filters import _bigmail, _queue, deny, rate
from plugins.module_utils._filters._configuration import render
from plugins.module_utils._filters._store import Store
from tests.unit.filtered import Spamd, addresses


@pytest.fixture
def site(tmp_path, monkeypatch, capsys):
    """A host with a configuration; what a command says, and its exit code."""
    store = str(tmp_path / "store.sqlite")
    settings = {
        "rate": {"store": store},
        "deny": {"store": store, "known": addresses(tmp_path)},
        "learn": {
            "store": str(tmp_path / "learned/learned.sqlite"),
            "root": str(tmp_path / "mail"),
            "socket": str(tmp_path / "spamd.sock"),
        },
    }
    # The command line reads what no filter in the order has, too.
    (tmp_path / "modules.conf").write_text(render(["rate"], {}, settings)[1])
    (tmp_path / "learned").mkdir()
    (tmp_path / "mail/example.com/alice/Maildir/.Junk/cur").mkdir(parents=True)
    monkeypatch.setattr(command.os, "geteuid", lambda: 1000)
    found = type("Site", (), {"store": Store(store), "path": tmp_path})()

    def run(*arguments):
        code = command.main(["--configuration", str(tmp_path / "modules.conf"), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    found.run = run
    return found


def test_says_who_sent_what_and_whose_mail_waits(site):
    assert site.run("rate") == (0, "Nobody has sent anything within the last hour, and nobody's mail waits.\n", "")
    for recipients in (1, 4):
        site.store.spend("alice@example.com", recipients, rate.Limits(0, 0))
    site.store.hold("alice@example.com", "too much")
    site.store.hold("local 33", "more")
    code, said, _nothing = site.run("rate", "list")
    assert code == 0
    lines = said.splitlines()
    assert lines[0].split() == ["messages", "recipients", "who"]
    assert lines[1].split()[:5] == ["2", "5", "alice@example.com", "waits", "since"]
    assert lines[1].endswith(": too much")
    assert lines[2].split()[:4] == ["0", "0", "local", "33"]


def test_releases(site):
    site.store.hold("alice@example.com", "too much")
    code, said, _nothing = site.run("release", "Alice@example.com")
    assert (code, said.split(".")[0]) == (0, "The mail of Alice@example")
    assert site.store.holds() == []
    assert site.run("release", "alice@example.com")[0] == 1


def test_holds(site):
    code, said, _nothing = site.run("hold", "Alice@example.com")
    assert code == 0
    assert said == "The mail of alice@example.com is deferred until courier-mail release 'alice@example.com'.\n"
    (hold,) = site.store.holds()
    assert (hold.key, hold.reason) == ("alice@example.com", rate.BY_OPERATOR)
    assert hold.told
    assert site.run("release", "alice@example.com")[0] == 0


def test_throws_away_what_waits(site, monkeypatch):
    cancelled = []
    many = [f"{number}@example.net" for number in range(6)]
    found = {"alice@example.com": [_queue.Waiting("1.a", many), _queue.Waiting("1.b", many[:1])]}
    monkeypatch.setattr(_queue, "sent_by", lambda who: found.get(who, []))
    monkeypatch.setattr(_queue, "cancel", lambda number, _reason: cancelled.append(number) or number == "1.b")
    assert site.run("purge", "bob@example.com") == (0, "Nothing of bob@example.com waits.\n", "")
    code, said, _nothing = site.run("purge", "--dry-run", "Alice@example.com")
    assert (code, said.splitlines()[1], cancelled) == (0, "1.b for 0@example.net waits", [])
    code, said, error = site.run("purge", "Alice@example.com")
    assert (code, said, cancelled) == (75, "1.b for 0@example.net is thrown away\n", ["1.a", "1.b"])
    assert error.endswith("4@example.net ... is on its way right now; try again\n")


def test_says_who_fell_into_traps(site):
    assert site.run("traps") == (0, "Nobody has written to a trap, sent large bulk mail or guessed passwords.\n", "")
    site.store.add("trap", "203.0.113.9", 1.0, "spam trap t@example.com")
    assert "1.00     1" in site.run("traps")[1]
    assert "203.0.113.9  spam trap t@example.com" in site.run("traps")[1]


def test_counts_attacks(site):
    assert site.run("attacked", "203.0.113.9", "--note", "courier-strangers") == (0, "", "")
    assert site.run("attacked", "2001:db8:0:7::9")[0] == 0
    found = [(event.key, event.amount, event.note) for event in site.store.events(["auth"])]
    assert found == [("203.0.113.9", 1.0, "courier-strangers"), ("2001:db8:0:7::/64", 1.0, "")]
    assert "203.0.113.9  courier-strangers" in site.run("traps")[1]
    assert site.run("attacked", "somebody")[0] == 69


def test_pardons(site, monkeypatch):
    ran = []
    monkeypatch.setattr(deny, "run", ran.append)
    site.store.add("trap", "192.0.2.9", 1.0, "spam trap t@example.com")
    site.store.add("big", "192.0.2.9", 0.5, "large")
    site.store.add("trap", "192.0.2.8", 1.0, "spam trap t@example.com")
    assert site.run("pardon", "192.0.2.9") == (0, "192.0.2.9 is forgiven, and not refused.\n", "")
    assert [event.key for event in site.store.events(deny.KINDS)] == ["192.0.2.8"]
    assert len(ran) == 1
    assert site.run("pardon", "192.0.2.9")[0] == 1


def test_brings_the_deny_list_up_to_date(site, monkeypatch):
    done = deny.Done(["203.0.113.9"], ["203.0.113.9"], ["203.0.113.8"], ["192.0.2.3"])
    monkeypatch.setattr(deny, "run", lambda _settings, dry: done)
    lines = "203.0.113.9 is refused from now on\n203.0.113.8 is let in again\n"
    assert site.run("deny") == (0, lines, "")
    _code, said, _nothing = site.run("deny", "--dry-run")
    assert said.count("not really") == 3
    assert "192.0.2.3 is spared" in said


def test_learns(site):
    (site.path / "mail/example.com/alice/Maildir/.Junk/cur/1.M1.h:2,S").write_text("Message-ID: <1@x>\n\n")
    code, _nothing, said = site.run("learn")
    assert (code, said) == (75, f"courier-mail: {site.path}/spamd.sock: No such file or directory\n")
    with Spamd(site.path):
        assert site.run("learn") == (0, "Learned 1 as spam and 0 as ham; 0 went back into inboxes.\n", "")
        assert site.run("learn") == (0, "", "")


@pytest.fixture
def large(site):
    path = site.path / "mail/example.com/alice/Maildir/.Junk/cur/2.M1.h:2,S"
    path.write_text("From: big@example.net\n\n" + "x" * 5000)
    return path


def test_reports_large_messages(site, large):
    code, said, _nothing = site.run("bigmail", "--size", "4K")
    assert code == 0
    assert "alice@example.com: 1 messages, 0.0 MiB" in said
    assert "Junk from big@example.net" in said
    assert site.run("bigmail", "--size", "4M")[1] == "There are none.\n"
    os.utime(large, (0, 0))
    assert site.run("bigmail", "--size", "4K")[1] == "There are none.\n"


def test_sends_a_report_only_where_there_is_something_to_say(site, large, monkeypatch):
    sent = []
    monkeypatch.setattr(rate, "send", lambda *letter: sent.append(letter))
    assert site.run("bigmail", "--size", "4K", "--to", "root") == (0, "", "")
    assert site.run("bigmail", "--size", "4M", "--to", "root") == (0, "", "")
    assert [(to, subject) for to, subject, _text in sent] == [("root", "Large messages")]


@pytest.mark.parametrize(("text", "number"), [("1000", 1000), ("4k", 4096), ("4M", 4 << 20), ("1G", 1 << 30)])
def test_reads_sizes(text, number):
    assert _bigmail.size(text) == number


def test_refuses_what_is_no_size(site):
    with pytest.raises(SystemExit) as left:
        site.run("bigmail", "--size", "large")
    assert left.value.code == 2


def test_refuses_a_configuration_that_makes_no_sense(site):
    (site.path / "modules.conf").write_text(
        "[courier_mail.py]\nmodules = []\nwhen_down = {}\n[rate.py]\naction = 'x'\n"
    )
    assert site.run("rate") == (
        78,
        "",
        "courier-mail: the configuration makes no sense: action is 'x'; write hold or refuse\n",
    )


def test_says_that_there_is_nothing_yet(site):
    os.unlink(site.path / "store.sqlite")
    code, _nothing, said = site.run("traps")
    assert code == 69
    assert said.endswith("store.sqlite is not there: no filter has counted anything yet\n")
    assert not (site.path / "store.sqlite").exists()
