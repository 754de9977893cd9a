"""Whether we are on lists: who is asked what, what an answer means, and what is kept of it."""

from __future__ import annotations

import json
import math
import socketserver
import threading
import time

import dns.message
import dns.rcode
import dns.rrset
import pytest

from plugins.module_utils._watch import blocklists
from plugins.module_utils._watch._blocklists_ask import everything
from plugins.module_utils._watch._blocklists_settings import Settings, is_private
from plugins.module_utils._watch._found import State
from plugins.module_utils._watch._metrics_table import METRICS
from plugins.module_utils._watch._resolve import Temporary
from plugins.module_utils._watch._settings import SettingsError, build

HOUR = 3600.0
NOW = 1_790_000_000.0
ZONE, DOMAINS = "bl.example.org", "dbl.example.org"
LIST = {"zone": ZONE, "answers": ["127.0.0.2", "127.0.0.4-7"], "url": "https://bl.example.org/{address}"}
DOMAIN_LIST = {"zone": DOMAINS, "answers": ["127.0.1.2"]}
OURS = "7.2.0.192.bl.example.org"
OURS6 = "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.bl.example.org"
NOBODY6 = "1.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20 + ".bl.example.org"
WELL = {"2.0.0.127.bl.example.org": ["127.0.0.2"], "test.dbl.example.org": ["127.0.1.2"]}


def lists(records, asked=None):
    """Lists that say this, and nothing else."""
    lock = threading.Lock()

    def ask(name, kind):
        with lock:
            if asked is not None:
                asked.append((name, kind))
        found = records.get((name, kind), records.get(name, []) if kind == "A" else [])
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        return found

    return lambda _entry: ask


def silence():
    return Temporary("DNS has no answer: silence")


@pytest.fixture
def settings(tmp_path):
    def settings(**given):
        return build(
            Settings,
            {"addresses": ["192.0.2.7"], "lists": [LIST], "store": str(tmp_path / "blocklists.sqlite"), **given},
        )

    return settings


def states(found):
    return {key[1]: answer.state for key, answer in found.answers.items()}


def by_subject(found):
    return {one.subject: one for one in found}


ANSWERS = {
    "nothing": ([], "clear", ""),
    "one that counts": (["127.0.0.5"], "listed", ""),
    "one that counts beside others": (["127.0.0.9", "127.0.0.2"], "listed", ""),
    "one that means something else": (["127.0.0.9"], "clear", ""),
    "a code that says that we are not served": (["127.255.255.254"], "unknown", "127.255.255.254, which is no listing"),
    "somebody else's web server": (["203.0.113.7"], "unknown", "203.0.113.7, which is no listing"),
    "silence": (silence(), "unknown", "silence"),
}


@pytest.mark.parametrize(("answers", "state", "said"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_means(settings, answers, state, said):
    found = everything(settings(), lists({**WELL, OURS: answers}))
    assert states(found) == {"192.0.2.7": state}
    assert said in found.answers[ZONE, "192.0.2.7"].said


BROKEN = {
    "it is gone": ({}, "the answer is that it is not"),
    "it serves us no more": ({"2.0.0.127.bl.example.org": ["127.255.255.254"]}, "the answer is 127.255.255.254"),
    "it lists everybody": ({**WELL, "1.0.0.127.bl.example.org": ["127.0.0.2"]}, "it lists everybody"),
    "it is silent": ({"2.0.0.127.bl.example.org": silence()}, "silence"),
}


@pytest.mark.parametrize(("records", "said"), BROKEN.values(), ids=BROKEN)
def test_a_list_that_is_not_well_is_not_asked(settings, records, said):
    asked = []
    found = everything(settings(), lists({**records, OURS: ["127.0.0.2"]}, asked))
    assert found.answers == {}
    assert said in found.broken[ZONE]
    assert (OURS, "A") not in asked


def test_a_lost_packet_is_sent_again(settings):
    answers = [silence(), ["127.0.0.2"]]
    found = everything(settings(), lists({**WELL, OURS: lambda: answers.pop(0)}))
    assert states(found) == {"192.0.2.7": "listed"}


def test_the_reason_is_kept_as_one_harmless_line(settings):
    found = everything(
        settings(), lists({**WELL, OURS: ["127.0.0.2"], (OURS, "TXT"): ["sent\nspam \x1b[31m" + 500 * "x"]})
    )
    said = found.answers[ZONE, "192.0.2.7"].said
    assert said.startswith("sent spam [31mxxx")
    assert len(said) == 200


def test_without_a_reason_it_is_listed_all_the_same(settings):
    found = everything(settings(), lists({**WELL, OURS: ["127.0.0.2"], (OURS, "TXT"): silence()}))
    assert found.answers[ZONE, "192.0.2.7"] == ("listed", "127.0.0.2", "")


def test_both_versions_and_domains_are_asked_where_they_may_be(settings):
    wanted = settings(addresses=["192.0.2.7", "2001:db8::1"], domains=["Example.com"], domain_lists=[DOMAIN_LIST])
    found = everything(wanted, lists({**WELL, OURS6: ["127.0.0.2"], "example.com.dbl.example.org": ["127.0.1.2"]}))
    assert states(found) == {"192.0.2.7": "clear", "2001:db8::1": "listed", "example.com": "listed"}


def test_a_list_of_all_of_ipv6_lists_nobody(settings):
    records = {**WELL, OURS6: ["127.0.0.2"], NOBODY6: ["127.0.0.2"]}
    found = everything(settings(addresses=["2001:db8::1"]), lists(records))
    assert states(found) == {"2001:db8::1": "unknown"}


def test_what_is_private_is_not_asked(settings):
    asked = []
    wanted = settings(addresses=["10.0.0.7", "fd00::7", "192.0.2.7"])
    assert states(everything(wanted, lists(WELL, asked))) == {"192.0.2.7": "clear"}
    assert wanted.private() == ["10.0.0.7", "fd00::7"]
    assert is_private("172.16.3.4")
    assert not is_private("198.51.100.4")


def test_ends_when_the_time_is_over(settings):
    stop = threading.Event()

    def waits():
        stop.wait(20)
        return []

    began = time.monotonic()
    found = everything(settings(seconds=1), lists({**WELL, OURS: waits}))
    assert time.monotonic() - began < 10
    stop.set()
    assert found.answers[ZONE, "192.0.2.7"] == ("unknown", "", "there was no time left to ask")


def test_asks_no_more_than_so_many_at_a_time(settings):
    most, running, lock = [0], [0], threading.Lock()

    def counted():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return []

    addresses = [f"192.0.2.{number}" for number in range(1, 30)]
    names = {f"{number}.2.0.192.bl.example.org": counted for number in range(1, 30)}
    everything(settings(addresses=addresses, parallel=3), lists({**WELL, **names}))
    assert 1 < most[0] <= 3


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        wire, socket = self.request
        asked = dns.message.from_wire(wire)
        (question,) = asked.question
        answer = dns.message.make_response(asked)
        found = self.server.records.get(question.name.to_text(omit_final_dot=True), dns.rcode.NXDOMAIN)
        if found is None:
            return
        if isinstance(found, dns.rcode.Rcode):
            answer.set_rcode(found)
        else:
            kind = dns.rdatatype.to_text(question.rdtype)
            texts = [text for of, text in found if of == kind]
            answer.answer = [dns.rrset.from_text(question.name, 1, "IN", kind, *texts)] if texts else []
        socket.sendto(answer.to_wire(), self.client_address)


SAID = {
    "clear": (dns.rcode.NXDOMAIN, ("clear", "", "")),
    "nothing of this type": ([("TXT", '"x"')], ("clear", "", "")),
    "listed": (
        [("A", "127.0.0.2"), ("TXT", '"seen " "with \\195\\164 spam"')],
        ("listed", "127.0.0.2", "seen with ä spam"),
    ),
    "refused": (dns.rcode.REFUSED, ("unknown",)),
    "broken": (dns.rcode.SERVFAIL, ("unknown",)),
    "silent": (None, ("unknown",)),
}


@pytest.mark.parametrize(("said", "answer"), SAID.values(), ids=SAID)
def test_over_the_network(settings, said, answer):
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Question) as server:
        server.records = {"2.0.0.127.bl.example.org": [("A", "127.0.0.2")], OURS: said}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        entry = {**LIST, "server": "127.0.0.1", "port": server.server_address[1]}
        found = everything(settings(lists=[entry], timeout=0.5))
        server.shutdown()
    assert found.broken == {ZONE: ""}
    assert found.answers[ZONE, "192.0.2.7"][: len(answer)] == answer


class TestWhatIsKept:
    def test_a_listing_begins_lasts_and_ends(self, settings):
        wanted = settings()
        listed = lists({**WELL, OURS: ["127.0.0.2"], (OURS, "TXT"): ["spam"]})
        blocklists.check(wanted, lists(WELL), NOW)
        assert by_subject(blocklists.findings(wanted, NOW))["192.0.2.7 on bl.example.org"].state is State.WELL
        blocklists.check(wanted, listed, NOW + HOUR)
        blocklists.check(wanted, listed, NOW + 2 * HOUR)
        bad = by_subject(blocklists.findings(wanted, NOW + 2 * HOUR))["192.0.2.7 on bl.example.org"]
        assert (bad.state, bad.since) == (State.BAD, NOW + HOUR)
        assert bad.said == (
            "192.0.2.7 is on bl.example.org (127.0.0.2: spam); to be taken off: https://bl.example.org/192.0.2.7"
        )
        blocklists.check(wanted, lists(WELL), NOW + 3 * HOUR)
        assert (
            by_subject(blocklists.findings(wanted, NOW + 3 * HOUR))["192.0.2.7 on bl.example.org"].state is State.WELL
        )
        (over,) = blocklists.everything(wanted)["over"]
        assert (over["first"], over["last"], over["ended"]) == (NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR)

    @pytest.mark.parametrize("answers", [silence(), ["127.255.255.254"]], ids=["silence", "an error"])
    def test_where_there_is_no_answer_the_last_one_counts_for_a_while(self, settings, answers):
        wanted = settings()
        blocklists.check(wanted, lists({**WELL, OURS: ["127.0.0.2"]}), NOW)
        blocklists.check(wanted, lists({**WELL, OURS: answers}), NOW + HOUR)
        bad = by_subject(blocklists.findings(wanted, NOW + HOUR))["192.0.2.7 on bl.example.org"]
        assert bad.state is State.BAD
        assert "it has not answered since 2026-09-21" in bad.said
        later = by_subject(blocklists.findings(wanted, NOW + 49 * HOUR))["192.0.2.7 on bl.example.org"]
        assert later.state is State.UNKNOWN

    def test_a_list_that_breaks_is_said_once_and_not_of_each_of_us(self, settings):
        wanted = settings(addresses=["192.0.2.7", "192.0.2.8"])
        blocklists.check(wanted, lists({}), NOW)
        found = blocklists.findings(wanted, NOW)
        assert [(one.subject, one.state) for one in found] == [(ZONE, State.UNKNOWN)]
        assert "127.0.0.2 must be listed" in found[0].said

    def test_what_was_never_known_of_a_list_that_broke_then_is_said_of_the_list(self, settings):
        wanted = settings()
        blocklists.check(wanted, lists({**WELL, OURS: silence()}), NOW)
        assert len(blocklists.findings(wanted, NOW)) == 2
        blocklists.check(wanted, lists({}), NOW + HOUR)
        assert [one.subject for one in blocklists.findings(wanted, NOW + HOUR)] == [ZONE]

    def test_what_is_wanted_no_more_is_forgotten(self, settings):
        blocklists.check(settings(), lists({**WELL, OURS: ["127.0.0.2"]}), NOW)
        other = settings(addresses=["192.0.2.8"], lists=[{**LIST, "zone": "b2.example.org"}])
        blocklists.check(other, lists({"2.0.0.127.b2.example.org": ["127.0.0.2"]}), NOW + HOUR)
        assert {one.subject for one in blocklists.findings(other, NOW + HOUR)} == {
            "b2.example.org",
            "192.0.2.8 on b2.example.org",
        }

    def test_what_is_over_is_kept_for_some_days(self, settings):
        wanted = settings(days=1)
        blocklists.check(wanted, lists({**WELL, OURS: ["127.0.0.2"]}), NOW)
        blocklists.check(wanted, lists(WELL), NOW + HOUR)
        assert len(blocklists.everything(wanted)["over"]) == 1
        blocklists.check(wanted, lists(WELL), NOW + 26 * HOUR)
        assert blocklists.everything(wanted)["over"] == []

    def test_a_private_address_is_said(self, settings):
        (found,) = blocklists.findings(settings(addresses=["10.0.0.7"]), NOW)
        assert (found.subject, found.state) == ("10.0.0.7", State.UNKNOWN)
        assert "mail_addresses" in found.said

    def test_samples(self, settings):
        wanted = settings(addresses=["192.0.2.7", "192.0.2.8", "192.0.2.9"])
        records = {**WELL, OURS: ["127.0.0.2"], "9.2.0.192.bl.example.org": silence()}
        blocklists.check(wanted, lists(records), NOW)
        found = {(one.name, one.labels.get("subject", "")): one.value for one in blocklists.samples(wanted, NOW)}
        assert {name for name, _subject in found} <= set(METRICS)
        assert found["courier_mail_blocklist_up", ""] == 1
        assert found["courier_mail_blocklist_asked_timestamp_seconds", ""] == NOW
        assert found["courier_mail_blocklist_listed", "192.0.2.7"] == 1
        assert found["courier_mail_blocklist_listed", "192.0.2.8"] == 0
        assert math.isnan(found["courier_mail_blocklist_listed", "192.0.2.9"])
        assert found["courier_mail_blocklist_known_timestamp_seconds", "192.0.2.7"] == NOW
        assert found["courier_mail_blocklist_known_timestamp_seconds", "192.0.2.9"] == 0

    def test_before_the_first_time_there_is_nothing(self, settings):
        assert blocklists.findings(settings(), NOW) == []
        assert blocklists.samples(settings(), NOW) == []


class TestTheCommand:
    @pytest.fixture
    def run(self, settings, monkeypatch, capsys):
        def run(*arguments, records=None, **given):
            wanted = settings(**given)
            monkeypatch.setattr(blocklists, "read", lambda _part, _kind: wanted)
            monkeypatch.setattr("plugins.module_utils._watch._dnslist.Entry.resolver", lists_of(records or {}))
            code = blocklists.main(["blocklists", *arguments])
            return code, *capsys.readouterr()

        def lists_of(records):
            ask = lists(records)
            return lambda entry, _seconds: ask(entry)

        return run

    def test_lists_what_is_known(self, run):
        assert run("list") == (0, "Nothing was asked yet.\n", "")
        code, said, _wrong = run("check", records={**WELL, OURS: ["127.0.0.2"], (OURS, "TXT"): ["spam"]})
        assert code == 1
        assert said.startswith("listed   192.0.2.7 on bl.example.org (127.0.0.2: spam) since 20")
        assert said.endswith("clear    0 times: 0 of ours on 0 lists\n")
        code, said, _wrong = run("check", records=WELL)
        assert code == 0
        assert said.startswith("was      192.0.2.7 on bl.example.org from 20")
        assert said.endswith("clear    1 times: 1 of ours on 1 lists\n")

    def test_says_it_as_json(self, run):
        run("check", records={**WELL, OURS: silence()})
        code, said, _wrong = run("list", "--json")
        (one,) = json.loads(said)["subjects"]
        assert code == 0
        assert (one["subject"], one["state"]) == ("192.0.2.7", "unknown")

    def test_says_what_is_broken(self, run):
        code, said, _wrong = run("check")
        assert code == 0
        assert said.startswith("broken   bl.example.org: 127.0.0.2 must be listed")

    def test_a_store_that_cannot_be_written_is_named(self, run):
        code, _said, wrong = run("check", store="/nowhere/blocklists.sqlite", records=WELL)
        assert code == 69
        assert "/nowhere/blocklists.sqlite" in wrong

    def test_settings_without_sense_are_named(self, monkeypatch, capsys):
        def read(_part, _kind):
            raise SettingsError("days is 0; write a number")

        monkeypatch.setattr(blocklists, "read", read)
        assert blocklists.main(["blocklists"]) == 78
        assert "days is 0" in capsys.readouterr().err


REFUSED = {
    "an address that is none": ({"addresses": ["mx1"]}, "addresses is 'mx1'; write addresses such as"),
    "a domain that is none": ({"domains": ["a b"]}, "domains is 'a b'; write names such as example.com"),
    "a list without answers": ({"lists": [{"zone": ZONE}]}, "lists: bl.example.org has no answers"),
    "a list of both": ({"domain_lists": [LIST]}, "domain_lists is 'bl.example.org'; write it here or into lists"),
    "a test point of addresses": ({"lists": [{**LIST, "listed": "x"}]}, "lists: bl.example.org has listed"),
    "no time": ({"timeout": 0.0}, "timeout is 0.0; write a number from 0.1 to 60"),
    "too many at a time": ({"parallel": 1000}, "parallel is 1000; write a number from 1 to 64"),
    "a path that is none": ({"store": "x"}, "store is 'x'; write a path"),
    "too many questions": (
        {"addresses": [f"192.0.{high}.{low}" for high in range(21) for low in range(256)]},
        "these are 5376 questions, and 5000 are the most",
    ),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_refuses(settings, given, said):
    with pytest.raises(SettingsError) as refused:
        settings(**given)
    assert said in str(refused.value)
