from __future__ import annotations

import json
import os

import pytest

from plugins.module_utils._watch import _follow, _places, flow
from plugins.module_utils._watch._flow_settings import Settings
from plugins.module_utils._watch._flow_totals import Place, Totals
from plugins.module_utils._watch._found import State
from plugins.module_utils._watch._settings import SettingsError, build
from plugins.module_utils._watch._trace_journal import JournalError, Line

ID = "00000000003965C1.000000006B081DB3.00006A28"
SETTINGS = Settings(satellites=["198.51.100.21", "2001:db8:25::/64"], filtered=True)
NEW = f"newmsg,id={ID}: dns; mx.example.net (mx.example.net [::ffff:%s])"
SAID = f"id={ID},from=<mailbox@example.net>,addr=<bob@example.com>"
ERROR = "error,relay=::ffff:192.0.2.9,port=52541,from=<someone@example.net>,to=<alice@example.com>: "
JUDGED = {
    "id": ID,
    "verdict": "refuse",
    "filters": {"log": "pass", "spamd": "down, pass: no answer", "clamd": "refuse: Eicar", "x y": "pass"},
    "seconds": 0.25,
}

RECEIVED = {
    "a stranger": (NEW % "192.0.2.9", "foreign"),
    "a satellite": (NEW % "198.51.100.21", "satellite"),
    "a satellite over IPv6": (f"newmsg,id={ID}: dns; s (s [2001:db8:25::21])", "satellite"),
    "what was fetched": (NEW % "127.25.0.3", "fetched"),
    "a program of the host": (NEW % "127.0.0.1", "local"),
    "the local host over IPv6": (f"newmsg,id={ID}: dns; localhost (localhost [::1])", "local"),
    "somebody who logged in": (
        f"newmsg,id={ID}, auth=alice@example.com: dns; x (x [::ffff:198.51.100.21])",
        "authenticated",
    ),
    "a stranger who claims to be local": (f"newmsg,id={ID}: dns; x (x [127.0.0.1]) (y [192.0.2.9])", "foreign"),
}


@pytest.fixture
def totals(tmp_path):
    found = Totals(str(tmp_path / "flow.sqlite"))
    yield found
    found.close()


def counted(totals, *lines, settings=SETTINGS):
    """The totals after these lines, each with its identifier."""
    with totals.transaction():
        counter = flow.Counter(settings, totals)
        for number, (identifier, text) in enumerate(lines):
            counter.add(Line(1000.0 + number, identifier, 1, text))
    return {(one.name.removeprefix("courier_mail_"), *one.labels.values()): one.value for one in totals.samples()}


@pytest.mark.parametrize(("text", "direction"), RECEIVED.values(), ids=RECEIVED)
def test_what_comes_in_is_from(totals, text, direction):
    assert counted(totals, ("courierd", text))["received_total", direction] == 1


DELIVERED = {
    "a mailbox": ("courierlocal", f"{SAID},size=1294,success: Message delivered.", ("local", "delivered")),
    "another host": ("courieresmtp", f"{SAID},success: delivered: mx.example.net [192.0.2.9]", ("smtp", "delivered")),
    "a report": ("courierdsn", f"{SAID},success: Message delivered.", ("report", "delivered")),
    "what waits": ("courieresmtp", f"{SAID},status: deferred", ("smtp", "deferred")),
    "what failed": ("courierlocal", f"{SAID},status: failure", ("local", "failed")),
}


@pytest.mark.parametrize(("identifier", "text", "labels"), DELIVERED.values(), ids=DELIVERED)
def test_what_goes_out_is(totals, identifier, text, labels):
    assert counted(totals, (identifier, text))["deliveries_total", *labels] == 1


def test_one_delivery_counts_once(totals):
    lines = [f"{SAID}: 250 ok", f"{SAID},success: delivered: mx.example.net [192.0.2.9]", f"{SAID},status: success"]
    found = counted(totals, *(("courieresmtp", line) for line in lines))
    assert {key: value for key, value in found.items() if key[0] == "deliveries_total"} == {
        ("deliveries_total", "smtp", "delivered"): 1
    }


def test_a_delivery_takes_as_long_as_it_takes(totals):
    lines = [
        ("courierd", NEW % "192.0.2.9"),
        *[("other", "")] * 2,
        ("courierlocal", f"{SAID},success: Message delivered."),
    ]
    found = counted(totals, *lines)
    buckets = {key[2]: value for key, value in found.items() if key[0] == "delivery_seconds_bucket"}
    assert (buckets["2"], buckets["5"], buckets["86400"], buckets["+Inf"]) == (0, 1, 1, 1)
    assert found["delivery_seconds_sum", "local"] == 3
    assert found["delivery_seconds_count", "local"] == 1


def test_a_delivery_of_what_came_before_we_looked_has_no_time(totals):
    assert ("delivery_seconds_count", "local") not in counted(totals, ("courierlocal", f"{SAID},success: x"))


REASONS = {
    "550 5.7.1 Your host sends spam; this ends some days after the last of it": "deny list",
    "550 User <nobody@example.com> unknown": "unknown recipient",
    "513 Relaying denied.": "relaying",
    "535 Authentication failed.": "authentication",
    "517 SPF fail": "sender policy",
    "517-Domain does not exist: nowhere.example.net.": "sender policy",
    "523 Message length (30000000 bytes) exceeds administrative limit.": "size",
    "554 5.7.1 This mail was not accepted, it holds a virus: Eicar": "virus",
    "554 5.7.1 Files of this kind are not accepted here: probe.exe": "attachment",
    "554 5.7.1 This mail scores 12.1, which is spam here": "spam score",
    "502 ESMTP command error": "syntax",
    "450 come back": "temporary",
    "599 because": "other",
}


@pytest.mark.parametrize(("reply", "reason"), REASONS.items())
def test_a_refusal_is_about(totals, reply, reason):
    assert counted(totals, ("courieresmtpd", ERROR + reply)) == {("refused_total", reason): 1}


def test_a_refused_login_shows_nothing_of_the_password(totals):
    line = 'error,relay=::ffff:192.0.2.9,port=4,msg="535 Authentication failed.",cmd: AUTH PLAIN AGJvYkBib aHVudGVy'
    assert counted(totals, ("courieresmtpd", line)) == {("refused_total", "authentication"): 1}


def test_filters_are_counted_by_what_they_said(totals):
    found = counted(totals, ("pythonfilter", f"courier_mail: {json.dumps(JUDGED)}"))
    assert found == {
        ("filtered_total", "refuse"): 1,
        ("filter_verdicts_total", "log", "pass"): 1,
        ("filter_verdicts_total", "spamd", "down"): 1,
        ("filter_verdicts_total", "clamd", "refuse"): 1,
        ("filter_seconds_total",): 0.25,
        ("last_timestamp_seconds", "filters"): 1000,
        ("filter_down_timestamp_seconds", "spamd"): 1000,
    }


def test_what_is_passed_on_is_counted(totals):
    lines = [("courier-forward", f"{did}: x") for did in ("passed on", "waits", "refused")]
    found = counted(totals, *lines)
    assert found == {("forwarded_total", one): 1 for one in ("passed on", "deferred", "refused")}


def test_strangers_cannot_fill_the_disk(totals, monkeypatch):
    monkeypatch.setattr("plugins.module_utils._watch._flow_totals._MOST", 10)
    lines = [
        ("pythonfilter", f"courier_mail: {json.dumps(JUDGED | {'filters': {f'f{number}': 'pass'}})}")
        for number in range(50)
    ]
    for line in lines:
        counted(totals, line)
    assert len(totals.samples()) <= 10
    assert counted(totals, lines[0])["filtered_total", "refuse"] == 51


# The place in the journal.


def read(number, text="Waiting."):
    return _follow.Read(Line(1000.0 + number, "courierd", 1, text), f"c{number}", 1000.0 + number)


def test_each_line_counts_once(totals, monkeypatch):
    monkeypatch.setattr(flow, "_EACH", 3)
    journal = [read(number, NEW % "192.0.2.9") for number in range(10)]

    def after(cursor):
        return [one for one in journal if int(one.cursor[1:]) > int(cursor[1:])]

    flow.begin(totals, None, lambda: ("c-1", 999.0), 999.0)
    numbers = [flow.count(SETTINGS, totals, after, 2000.0, most) for most in (4, 100, 100)]
    assert numbers == [4, 6, 0]
    assert totals.value("courier_mail_received_total", direction="foreign") == 10
    assert totals.value("courier_mail_journal_lines_total") == 10
    assert totals.place() == Place("c9", 2000.0)


def test_a_run_that_dies_counts_nothing_twice(totals, monkeypatch):
    monkeypatch.setattr(flow, "_EACH", 2)

    def after(cursor):
        yield from [one for one in map(read_new, range(3)) if int(one.cursor[1:]) > int(cursor[1:])]
        raise JournalError("it broke")

    def read_new(number):
        return read(number, NEW % "192.0.2.9")

    flow.begin(totals, None, lambda: ("c-1", 999.0), 999.0)
    for _run in range(2):
        with pytest.raises(JournalError):
            flow.count(SETTINGS, totals, after, 2000.0)
    assert totals.value("courier_mail_received_total", direction="foreign") == 2
    assert totals.place() == Place("c1", 1001.0)


def test_the_first_run_begins_at_the_end(totals):
    flow.begin(totals, 1.0, lambda: ("c7", 5.0), 1000.0)
    assert totals.place() == Place("c7", 1000.0)
    assert totals.value("courier_mail_journal_lost_total") == 0


def test_lost_lines_are_said_and_totals_stay(totals, capsys):
    counted(totals, ("courierd", NEW % "192.0.2.9"))
    flow.begin(totals, 1.0, lambda: ("c1", 5.0), 1000.0)
    flow.begin(totals, 900.0, lambda: ("c2", 6.0), 1100.0)
    assert totals.place() == Place("c1", 1000.0)
    flow.begin(totals, 1050.0, lambda: ("c3", 1050.0), 1100.0)
    assert totals.place() == Place("c3", 1100.0)
    assert "has lost lines" in capsys.readouterr().err
    assert totals.value("courier_mail_journal_lost_total") == 1
    assert totals.value("courier_mail_received_total", direction="foreign") == 1


def test_a_journal_without_a_line_is_no_end(totals):
    flow.begin(totals, None, lambda: None, 1000.0)
    assert flow.count(SETTINGS, totals, None, 1000.0) == 0


# journalctl.


def entry(number, text="x", user="100", identifier="courierd"):
    return {
        "__CURSOR": f"c{number}",
        "__REALTIME_TIMESTAMP": str(1_000_000_000 + number),
        "MESSAGE": text,
        "SYSLOG_IDENTIFIER": identifier,
        "_UID": user,
        "_PID": "7",
    }


@pytest.fixture
def journalctl(tmp_path, monkeypatch):
    """A program in the place of journalctl that says these entries, with a code and a complaint."""
    program = tmp_path / "journalctl"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def say(*entries, code=0, error=""):
        text = "".join(json.dumps(one) + "\n" for one in entries)
        (tmp_path / "entries").write_text(text)
        program.write_text(
            f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\ncat {tmp_path}/entries\n'
            f"[ -z '{error}' ] || echo '{error}' >&2\nexit {code}\n"
        )
        program.chmod(0o755)
        return tmp_path / "arguments"

    return say


def test_the_line_of_the_place_is_not_read_again(journalctl):
    arguments = journalctl(entry(1), entry(2), entry(3))
    assert [one.cursor for one in _follow.after("c1", None)] == ["c2", "c3"]
    assert "--cursor=c1" in arguments.read_text()


def test_a_place_whose_line_is_gone_loses_no_other(journalctl):
    journalctl(entry(2), entry(3))
    assert [one.cursor for one in _follow.after("c1", None)] == ["c2", "c3"]


def test_only_courier_is_believed(journalctl):
    believed = {"courierd": frozenset({0, 100})}
    journalctl(entry(1, user="1000"), entry(2, user="100"), entry(3, identifier="sshd"), entry(4, user=""))
    assert [one.line and one.line.at for one in _follow.after("c0", believed)] == [None, 1000.000002, None, None]


def test_what_is_no_utf8_is_read(journalctl):
    journalctl(entry(1, text=list(b"newmsg \xff")))
    [one] = _follow.after("c0", None)
    assert one.line.text == "newmsg \xff"


def test_a_journal_that_cannot_be_read_is_said(journalctl):
    journalctl(code=1, error="Failed to seek to cursor: Invalid argument")
    with pytest.raises(JournalError, match="Failed to seek to cursor"):
        list(_follow.after("c0", None))
    with pytest.raises(JournalError, match="Failed to seek to cursor"):
        _follow.end()


def test_an_empty_journal_is_no_mistake(journalctl):
    journalctl(code=1)
    assert (list(_follow.after("c0", None)), _follow.end()) == ([], None)


def test_the_end_is_the_last_entry(journalctl):
    journalctl(entry(5))
    assert _follow.end() == ("c5", 1000.000005)


# What is bad.


def subjects(settings, totals, now):
    return {one.subject: one.state for one in flow.judged(settings, totals, now)}


def test_mail_that_passes_the_filters_by_is_bad(totals):
    settings = Settings(filtered=True)
    counted(totals, ("pythonfilter", f"courier_mail: {json.dumps(JUDGED)}"), ("courierd", NEW % "192.0.2.9"))
    assert subjects(settings, totals, 1000.0)["mail without filters"] is State.WELL
    with totals.transaction():
        totals.set("courier_mail_last_timestamp_seconds", 1700.0, of="strangers")
    assert subjects(settings, totals, 1700.0)["mail without filters"] is State.BAD
    assert "mail without filters" not in subjects(Settings(), totals, 1700.0)


def test_mail_of_the_host_itself_says_nothing_of_filters(totals):
    counted(totals, ("courierd", NEW % "127.0.0.1"))
    assert subjects(Settings(filtered=True), totals, 1000.0)["mail without filters"] is State.WELL


def test_a_filter_that_is_down_is_bad_for_a_while(totals):
    counted(totals, ("pythonfilter", f"courier_mail: {json.dumps(JUDGED)}"))
    assert subjects(Settings(), totals, 1060.0)["filter spamd"] is State.BAD
    assert subjects(Settings(), totals, 1660.0)["filter spamd"] is State.WELL


def test_a_journal_that_nobody_reads_is_bad(totals):
    flow.begin(totals, None, lambda: ("c1", 1.0), 1000.0)
    assert subjects(Settings(), totals, 1060.0)["journal"] is State.WELL
    assert subjects(Settings(), totals, 1601.0)["journal"] is State.BAD


REFUSED = {
    "a network that is none": ({"satellites": ["sat1"]}, "satellites is 'sat1'; write addresses or networks"),
    "a time that is none": ({"filter_minutes": 0}, "filter_minutes is 0; write a number"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(SettingsError) as refused:
        build(Settings, given)
    assert str(refused.value).startswith(sentence)


def test_where_no_mail_flows_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(_places, "STATE", str(tmp_path))
    monkeypatch.setattr(_places, "has", lambda _part: False)
    assert flow.main(["count"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_command_counts(tmp_path, monkeypatch, journalctl):
    monkeypatch.setattr(_places, "STATE", str(tmp_path))
    monkeypatch.setattr(_places, "has", lambda _part: True)
    monkeypatch.setattr(_places, "settings", lambda _part, _kind: SETTINGS)
    monkeypatch.setattr(flow, "users", lambda: None)
    journalctl(entry(1))
    assert flow.main(["count"]) == 0
    journalctl(entry(1), entry(2, NEW % "192.0.2.9"))
    assert flow.main(["count"]) == 0
    assert {one.name: one.value for one in flow.samples()}["courier_mail_received_total"] == 1
    # It was long ago.
    assert {one.subject: one.state for one in flow.findings()} == {
        "journal": State.WELL,
        "mail without filters": State.BAD,
    }
