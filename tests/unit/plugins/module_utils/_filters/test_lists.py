from __future__ import annotations

import json

import pytest

from plugins.module_utils._filters import _dnslist
from plugins.module_utils._filters._dnslist import Entry, parse, question, trouble
from plugins.module_utils._filters._lists import Broken, State, read, retest
from plugins.module_utils._filters._resolve import Temporary
from plugins.module_utils._filters._settings import SettingsError

ENTRY = {"zone": "bl.example.org", "answers": ["127.0.0.2", "127.0.0.10-11"]}


def dns(records):
    def ask(name, kind):
        assert kind == "A"
        found = records.get(name.removesuffix(".bl.example.org"), records.get("*", []))
        if isinstance(found, Exception):
            raise found
        return found

    return ask


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ("127.0.0.2", True),
        ("127.0.0.11", True),
        ("127.0.0.12", False),
        ("127.255.255.254", False),
        ("203.0.113.7", False),
        ("2001:db8::1", False),
    ],
)
def test_only_the_answers_that_are_named_count(answer, counts):
    assert parse("x", [ENTRY])[0].means(answer) == counts


def test_ranges_are_of_each_number():
    (entry,) = parse("x", [{"zone": "wl.example.org", "answers": ["127.0.2-20.1-3"]}])
    assert [entry.means(answer) for answer in ("127.0.5.2", "127.0.5.0", "127.0.1.2")] == [True, False, False]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "7.2.0.192.bl.example.org"),
        ("2001:db8::1", "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.bl.example.org"),
    ],
)
def test_an_address_is_asked_for_backwards(address, name):
    assert question("bl.example.org", address) == name


def test_a_domain_is_asked_for_as_it_is():
    assert question("dbl.example.org", "example.com") == "example.com.dbl.example.org"


@pytest.mark.parametrize(
    ("more", "points"),
    [({}, ("test", "invalid")), ({"listed": "127.0.0.2", "not_listed": "example.net"}, ("127.0.0.2", "example.net"))],
)
def test_a_list_of_domains_has_test_points_of_its_own(more, points):
    (entry,) = parse("x", [ENTRY | more], domains=True)
    asked = []
    trouble(entry, lambda name, _kind: asked.append(name) or (["127.0.0.2"] if len(asked) == 1 else []))
    assert entry.points == points
    assert asked == [question(entry.zone, point) for point in points]


def test_a_test_point_is_a_name():
    with pytest.raises(SettingsError, match=r"listed of bl\.example\.org is 'a b'; write what its operator has"):
        parse("x", [ENTRY | {"listed": "a b"}], domains=True)


REFUSED = {
    "no zone": ({"answers": ["127.0.0.2"]}, "the zone None is no name in DNS; write one such as bl.example.org"),
    "an address": (ENTRY | {"zone": "192.0.2.1"}, "the zone '192.0.2.1' is no name in DNS"),
    "no name": (ENTRY | {"zone": "bl example"}, "the zone 'bl example' is no name in DNS"),
    "no answers": ({"zone": "bl.example.org"}, "bl.example.org has no answers, and its error codes would count; write"),
    "empty answers": (ENTRY | {"answers": []}, "bl.example.org has no answers"),
    "an answer elsewhere": (ENTRY | {"answers": ["192.0.2.1"]}, "bl.example.org cannot mean anything by '192.0.2.1'"),
    "an answer that is none": (ENTRY | {"answers": ["listed"]}, "bl.example.org cannot mean anything by 'listed'"),
    "a range of nets": (ENTRY | {"answers": ["126-127.0.0.2"]}, "bl.example.org cannot mean anything by"),
    "a range backwards": (ENTRY | {"answers": ["127.0.0.9-2"]}, "bl.example.org cannot mean anything by"),
    "an error code": (
        ENTRY | {"answers": ["127.255.255.254"]},
        "bl.example.org would say 127.255.255.254 to refuse an",
    ),
    "with error codes": (ENTRY | {"answers": ["127.0-255.0-255.2"]}, "would say 127.0-255.0-255.2 to refuse an answer"),
    "an unknown key": (ENTRY | {"answer": "127.0.0.2"}, "bl.example.org has answer; write some of zone, answers,"),
    "a server that is a name": (
        ENTRY | {"server": "ns.example.org"},
        "the server of bl.example.org is 'ns.example.org'",
    ),
    "no port": (ENTRY | {"port": 0}, "the port of bl.example.org is '0'; write a number from 1 to 65535"),
    "quotes in a reply": (ENTRY | {"reason": 'a "b"'}, "reason of bl.example.org goes into the reply; write ASCII"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        parse("mail_blocklists", [given])
    assert str(refusal.value).startswith("mail_blocklists: ")
    assert sentence in str(refusal.value)


def test_refuses_a_list_twice():
    with pytest.raises(SettingsError, match=r"mail_blocklists has bl\.example\.org twice"):
        parse("mail_blocklists", [ENTRY, ENTRY | {"zone": "BL.example.org"}])


WELL, OTHERS = "2.0.0.127", "1.0.0.127"
TESTED = {
    "well": ({WELL: ["127.0.0.2"]}, ""),
    "well among others": ({WELL: ["127.0.0.9", "127.0.0.10"]}, ""),
    "gone": ({}, "must be listed with 127.0.0.2 or 127.0.0.10-11, and the answer is that it is not"),
    "an error code": (
        {"*": ["127.255.255.254"]},
        "must be listed with 127.0.0.2 or 127.0.0.10-11, and the answer is 127.255",
    ),
    "bought by somebody": ({"*": ["203.0.113.7"]}, "and the answer is 203.0.113.7"),
    "everybody": (
        {"*": ["127.0.0.2"]},
        "127.0.0.1 must not be listed, and the answer is 127.0.0.2: it lists everybody",
    ),
    "the wrong one too": ({WELL: ["127.0.0.2"], OTHERS: ["127.0.0.9"]}, "127.0.0.1 must not be listed"),
    "silent": ({WELL: Temporary("DNS has no answer")}, "DNS has no answer"),
}


@pytest.mark.parametrize(("records", "sentence"), TESTED.values(), ids=TESTED)
def test_trouble(records, sentence):
    said = trouble(parse("x", [ENTRY])[0], dns(records))
    assert sentence in said
    assert bool(said) == bool(sentence)


def test_a_list_of_good_hosts_may_know_its_test_point_otherwise():
    (entry,) = parse("x", [ENTRY], allows=True)
    assert trouble(entry, dns({WELL: ["127.0.9.0"]})) == ""
    assert trouble(entry, dns({WELL: ["127.255.255.1"]})) != ""


class TestRetest:
    ENTRIES = (Entry("bl.example.org", ["127.0.0.2"]), Entry("b2.example.org", ["127.0.0.2"]))

    def run(self, path, broken, *, heard=True):
        told = []

        def tell(zone, _state):
            told.append(zone)
            return heard

        found = retest(self.ENTRIES, tell, str(path), lambda entry: "gone" if entry.zone in broken else "")
        assert read(str(path)) == found
        return told, found

    def test_tells_once(self, tmp_path):
        path = tmp_path / "lists.json"
        assert self.run(path, ["bl.example.org"])[0] == ["bl.example.org"]
        first = read(str(path))["bl.example.org"]
        assert self.run(path, ["bl.example.org"])[0] == []
        assert read(str(path))["bl.example.org"] == first
        assert Broken(str(path))() == {"bl.example.org"}
        assert self.run(path, [])[1]["bl.example.org"].broken == ""
        assert Broken(str(path))() == frozenset()
        assert self.run(path, ["bl.example.org"])[0] == ["bl.example.org"]

    def test_tells_again_where_nobody_heard(self, tmp_path):
        path = tmp_path / "lists.json"
        for _time in range(2):
            assert self.run(path, ["b2.example.org"], heard=False)[0] == ["b2.example.org"]

    def test_forgets_lists_that_are_gone(self, tmp_path):
        path = tmp_path / "lists.json"
        path.write_text(json.dumps({"old.example.org": State("gone", 0)._asdict()}))
        assert "old.example.org" not in self.run(path, [])[1]

    def test_monitoring_may_read(self, tmp_path):
        path = tmp_path / "lists.json"
        self.run(path, [])
        assert path.stat().st_mode & 0o777 == 0o644

    def test_a_lost_packet_is_not_told(self, monkeypatch):
        answers = [Temporary("DNS has no answer"), ["127.0.0.2"], []]

        def ask(_name, _kind):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(Entry, "resolver", lambda _entry, _seconds: ask)
        assert _dnslist.patient_trouble(self.ENTRIES[0]) == ""


def test_a_state_that_makes_no_sense_is_none(tmp_path):
    (tmp_path / "lists.json").write_text("{")
    assert read(str(tmp_path / "lists.json")) == {}


def test_nothing_is_broken_before_the_first_test(tmp_path):
    assert Broken(str(tmp_path / "none.json"))() == frozenset()
