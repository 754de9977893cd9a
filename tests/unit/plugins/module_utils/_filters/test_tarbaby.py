"""Who came to the last exchanger, and for whom that speaks. How it answers, test_tarbaby.py of molecule asks it."""

from __future__ import annotations

import json
import os
import time

import pytest

from plugins.module_utils._filters import _tarbaby, _visits
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._store import HOUR, Event, Store
from plugins.module_utils._filters._tarbaby import KIND, Settings, Visits, caller, domain, main, table

NOW = (time.time() // HOUR - 1) * HOUR
VISIT = Event("192.0.2.9", NOW, 1.0, "asked for TO:<alice@example.com>")

REFUSED = {
    "a reply for good": ("reply", "550 5.7.1 No", "a code of 400 to 499 and a text of ASCII, such as 451 4.7.1 Later"),
    "two replies": (
        "reply",
        "451 Later\r\n250 Ok",
        "a code of 400 to 499 and a text of ASCII, such as 451 4.7.1 Later",
    ),
    "no name": ("host", "two words", "a name of a host, such as tarbaby.example.com"),
    "nobody may connect": ("connections", 0, "a number of at least 1"),
    "a list of one's own": ("readers", ["mx1.example.com"], "networks such as 192.0.2.25 or 2001:db8::/64"),
}
DOMAINS = {
    "in brackets": ("TO:<alice@Example.com>", "example.com"),
    "with parameters": ("TO:<alice@example.com> NOTIFY=NEVER", "example.com"),
    "by a route": ("TO:<@example.net:alice@example.com>", "example.com"),
    "with a quoted at": ('TO:<"alice@example.net"@example.com>', "example.com"),
    "without brackets": ("TO:alice@example.com", "example.com"),
    "without a domain": ("TO:<postmaster>", ""),
    "an address literal": ("TO:<alice@[192.0.2.1]>", ""),
    "nothing": ("", ""),
}
EXCUSED = {
    "a domain that has no other": (VISIT._replace(amount=0.0), "no domain with another exchanger"),
    "the other was down": (VISIT, "the real exchanger was not open", None),
    "the other had only just come": (VISIT, "the real exchanger was not open", NOW - 599),
    "who was there before": (VISIT, "tried the real exchanger first", 0.0, [NOW - 60]),
    "who was there long ago": (VISIT, "", 0.0, [NOW - 2 * HOUR]),
    "who went there afterwards": (VISIT, "", 0.0, [NOW + 1]),
    "who went nowhere else": (VISIT, "", 0.0),
}


@pytest.mark.parametrize(("name", "value", "instead"), REFUSED.values(), ids=REFUSED)
def test_refuses(name, value, instead):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, {name: value})
    wrong = value[0] if isinstance(value, list) else value
    assert str(refusal.value) == f"{name} is {wrong!r}; write {instead}"


@pytest.mark.parametrize(("argument", "found"), DOMAINS.values(), ids=DOMAINS)
def test_knows_the_domain_of_a_recipient(argument, found):
    assert domain(argument) == found


def test_knows_who_calls():
    assert caller(("::ffff:192.0.2.9", 25, 0, 0)) == "192.0.2.9"
    assert caller(("fe80::1%eth0", 25, 0, 2)) == "fe80::1"


class TestVisits:
    @pytest.fixture
    def path(self, tmp_path):
        return str(tmp_path / "visits.sqlite")

    @staticmethod
    def found(path):
        return [(event.key, event.amount, event.note) for event in Store(path).events([KIND])]

    def test_are_kept_once_an_hour(self, path):
        now = [NOW]
        visits = Visits(path, lambda: now[0])
        for address in ("192.0.2.9", "2001:db8:1:2::9", "2001:db8:1:2::8", "192.0.2.9"):
            visits.add(address, "a\nnote", counts=True)
        visits.add("192.0.2.9", "another", counts=False)
        visits.flush()
        assert self.found(path) == [
            ("192.0.2.9", 1.0, "a?note"),
            ("2001:db8:1:2::/64", 1.0, "a?note"),
            ("192.0.2.9", 0.0, "another"),
        ]
        now[0] += HOUR
        visits.add("192.0.2.9", "later", counts=True)
        visits.flush()
        assert self.found(path)[-1] == ("192.0.2.9", 1.0, "later")

    def test_do_not_fill_the_memory(self, path, monkeypatch):
        monkeypatch.setattr(_tarbaby, "_MANY", 2)
        visits = Visits(path)
        for number in range(5):
            visits.add(f"192.0.2.{number}", "", counts=True)
        visits.flush()
        assert len(self.found(path)) == 2

    def test_wait_where_they_cannot_be_written(self, tmp_path, capsys):
        path = str(tmp_path / "later/visits.sqlite")
        visits = Visits(path)
        visits.add("192.0.2.9", "", counts=True)
        visits.flush()
        visits.flush()
        assert len(capsys.readouterr().err.splitlines()) == 1
        (tmp_path / "later").mkdir()
        visits.flush()
        assert len(self.found(path)) == 1

    def test_begin_anew_where_what_was_written_is_damaged(self, path, capsys):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("no database, " * 100)
        visits = Visits(path)
        visits.add("192.0.2.9", "", counts=True)
        visits.flush()
        visits.flush()
        assert "not a database" in capsys.readouterr().err
        assert os.path.exists(f"{path}.damaged")
        assert len(self.found(path)) == 1


def test_says_who_was_there(tmp_path, monkeypatch, capsys):
    store = Store(str(tmp_path / "visits.sqlite"))
    store.add(KIND, "192.0.2.9", 1.0, "first", NOW - HOUR)
    store.add(KIND, "192.0.2.9", 1.0, "second", NOW)
    store.add(KIND, "192.0.2.8", 0.0, "other", NOW)
    (tmp_path / "settings.json").write_text(json.dumps({"store": str(tmp_path / "visits.sqlite")}))
    monkeypatch.setattr(_tarbaby, "CONFIGURATION", str(tmp_path / "settings.json"))
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert lines[1].endswith("192.0.2.9  second")
    assert main(["events", "--after", repr(NOW - 1)]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [["192.0.2.9", NOW, 1.0, "second"], ["192.0.2.8", NOW, 0.0, "other"]]
    assert table([]) == "Nobody was here.\n"


@pytest.mark.parametrize("case", EXCUSED.values(), ids=EXCUSED)
def test_speaks_against_nobody(case):
    visit, why, up, called = (*case, 0.0, [])[:4] if len(case) == 2 else (*case, [])[:4]
    assert _visits.excuse(visit, up, {"192.0.2.9": called}, 600) == why


def test_reads_couriers_journal():
    lines = [
        "1000.250000 mx1 courieresmtpd[42]: started,ip=[::ffff:192.0.2.9],port=[4242]",
        "1001.000000 mx1 courieresmtpd[43]: started,ip=[2001:db8:1:2::9],port=[4242]",
        '1002.000000 mx1 courieresmtpd[44]: error,relay=::ffff:192.0.2.7,port=1,msg="500 started,ip=[192.0.2.8]"',
    ]
    assert _visits.calls(lines) == {"192.0.2.9": [1000.25], "2001:db8:1:2::/64": [1001.0]}


def test_believes_only_what_has_the_form_of_a_visit():
    lines = [
        "no JSON",
        '"a text"',
        '["192.0.2.9", 5, 1.0]',
        '["example.com", 5, 1.0, ""]',
        '["192.0.2.9", 5, 100.0, "too much"]',
        '["192.0.2.9", 3, 1.0, "known before"]',
        '["192.0.2.9", 99, 1.0, "not yet"]',
        '["192.0.2.9", NaN, 1.0, "never"]',
        '["192.0.2.0/24", 6, 1.0, "a net\\u0007"]',
        '["192.0.2.9", 5, 1.0, "right"]',
    ]
    assert _visits.parse(lines, 4, 10) == [
        Event("192.0.2.9", 5.0, 1.0, "right"),
        Event("192.0.2.0", 6.0, 1.0, "a net?"),
    ]


class TestCollect:
    @pytest.fixture
    def collect(self, tmp_path, monkeypatch):
        (tmp_path / "command").write_text("")
        monkeypatch.setattr(_visits, "COMMAND", str(tmp_path / "command"))
        store = Store(str(tmp_path / "store.sqlite"))

        def collect(visits, journal="", state="active"):
            def run(*command):
                if command[0] == "systemctl":
                    return f"ActiveState={state}\nActiveEnterTimestamp=@{int(NOW - HOUR)}\n"
                if command[0] == "journalctl":
                    return journal
                return "".join(json.dumps(one) + "\n" for one in visits if one.at > float(command[-1]))

            monkeypatch.setattr(_visits, "_run", run)
            monkeypatch.setattr(_visits.time, "time", lambda: NOW + HOUR)
            _visits.collect(store, _visits.Taken(0.25, 600), ["192.0.2.2"], lambda source: source == "192.0.2.1")
            return [(event.key, event.amount, event.note) for event in store.events([KIND])]

        return collect

    def test_takes_over_what_speaks_against_somebody_and_what_does_not(self, collect):
        visits = [VISIT._replace(key="192.0.2.1", note="ours"), VISIT._replace(note="his", at=NOW + 1)]
        assert collect(visits) == [("192.0.2.1", 0.0, "ours (is ours, or a peer)"), ("192.0.2.9", 0.25, "his")]

    def test_who_is_refused_already_had_to_come(self, collect):
        assert collect([VISIT._replace(key="192.0.2.2", note="b")]) == [
            ("192.0.2.2", 0.0, "b (the real exchanger refuses it)")
        ]

    def test_takes_over_nothing_twice(self, collect):
        assert len(collect([VISIT])) == 1
        assert len(collect([VISIT, VISIT._replace(at=NOW + 2)])) == 2

    def test_asks_the_journal(self, collect):
        journal = f"{NOW - 30:.6f} mx1 courieresmtpd[1]: started,ip=[::ffff:192.0.2.9],port=[1]\n"
        ((_key, amount, note),) = collect([VISIT], journal)
        assert amount == 0.0
        assert note.endswith("(tried the real exchanger first)")

    def test_asks_whether_the_other_is_open(self, collect):
        ((_key, amount, _note),) = collect([VISIT], state="failed")
        assert amount == 0.0

    def test_says_when_nobody_answers(self, collect, monkeypatch, tmp_path, capsys):
        def fail(*_command):
            raise OSError("gone")

        monkeypatch.setattr(_visits, "_run", fail)
        _visits.collect(Store(str(tmp_path / "other.sqlite")), _visits.Taken(0.25, 600), [], bool)
        assert capsys.readouterr().err == "who came to the last exchanger is not known: gone\n"

    def test_says_when_the_journal_is_not_read_and_takes_it_over_the_next_time(self, collect, monkeypatch, capsys):
        def fail(_since):
            raise OSError("gone")

        with monkeypatch.context() as broken:
            broken.setattr(_visits, "_called", fail)
            assert collect([VISIT]) == []
        assert capsys.readouterr().err == "who came to the real exchanger is not known: gone\n"
        assert len(collect([VISIT])) == 1


class TestCollectFromAHostOfItsOwn:
    EXCHANGER = "tarbaby.example.com"
    TAKEN = _visits.Taken(0.25, 600, [EXCHANGER], ["example.com"])

    @pytest.fixture
    def store(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_visits, "COMMAND", str(tmp_path / "nothing"))
        monkeypatch.setattr(_visits.time, "time", lambda: NOW + HOUR)
        monkeypatch.setattr(_visits, "_up", lambda: 0.0)
        monkeypatch.setattr(_visits, "_called", lambda _since: {"192.0.2.8": [NOW - 30]})
        return Store(str(tmp_path / "store.sqlite"))

    @pytest.fixture
    def answers(self, monkeypatch):
        """Have one exchanger answer with visits, and each other one with a refusal."""

        def answers(*visits, code=250):
            class Exchanger:
                def __init__(self, host, timeout):
                    assert host == TestCollectFromAHostOfItsOwn.EXCHANGER
                    assert timeout > 0

                def __enter__(self):
                    return self

                def __exit__(self, *_error):
                    pass

                def docmd(self, command, argument):
                    assert command == "XVISITS"
                    lines = [json.dumps(visit) for visit in visits if visit.at > float(argument)]
                    return code, "\n".join([*lines, "No more"]).encode()

            monkeypatch.setattr(_visits.smtplib, "SMTP", Exchanger)

        return answers

    @pytest.fixture
    def collect(self, store):
        def collect():
            _visits.collect(store, self.TAKEN, [], lambda _source: False)
            return [(event.key, event.amount, event.note) for event in store.events([KIND])]

        return collect

    def test_takes_over_what_was_asked_for_its_domains(self, collect, answers):
        elsewhere = VISIT._replace(at=NOW + 1, note="asked for TO:<alice@example.org>")
        dead = VISIT._replace(at=NOW + 2, amount=0.0)
        login = VISIT._replace(at=NOW + 3, key="192.0.2.7", note="tried to log in")
        known = VISIT._replace(at=NOW + 4, key="192.0.2.8")
        answers(VISIT, elsewhere, dead, login, known)
        assert collect() == [
            ("192.0.2.9", 0.25, VISIT.note),
            ("192.0.2.7", 0.25, "tried to log in"),
            ("192.0.2.8", 0.0, f"{VISIT.note} (tried the real exchanger first)"),
        ]
        assert len(collect()) == 3

    def test_says_who_does_not_tell(self, collect, answers, capsys):
        answers(code=500)
        assert collect() == []
        said = capsys.readouterr().err
        assert said.startswith(f"who came to the last exchanger {self.EXCHANGER} is not known: (500, ")


def test_reads_the_journal_once_for_all_exchangers(tmp_path, monkeypatch):
    visits = {"late.example.com": VISIT._replace(at=NOW + 9), "early.example.com": VISIT._replace(key="192.0.2.8")}
    read = []
    monkeypatch.setattr(_visits, "COMMAND", str(tmp_path / "nothing"))
    monkeypatch.setattr(_visits.time, "time", lambda: NOW + HOUR)
    monkeypatch.setattr(_visits, "_remote", lambda host, _since: [json.dumps(visits[host])])
    monkeypatch.setattr(_visits, "_up", lambda: 0.0)
    monkeypatch.setattr(_visits, "_called", lambda since: read.append(since) or {})
    store = Store(str(tmp_path / "store.sqlite"))
    taken = _visits.Taken(0.25, 600, list(visits), ["example.com"])
    _visits.collect(store, taken, [], lambda _source: False)
    assert read == [NOW - HOUR]
    assert {event.key for event in store.events([KIND])} == {"192.0.2.8", "192.0.2.9"}
