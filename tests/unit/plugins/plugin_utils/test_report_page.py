"""The report of a site: what needs a human, the page, and the data."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from plugins.action import report as action
from plugins.module_utils._report._count import Tally
from plugins.plugin_utils._report._document import document, summary, within
from plugins.plugin_utils._report._needs import Limits, needs, span
from plugins.plugin_utils._report._page import page, size
from plugins.plugin_utils._report._plots import ceiling, stacked

NOW = 1_795_000_000.0
DAY, HOUR = 86400, 3600
SCHEMA = json.loads((Path(__file__).parents[4] / "docs/report.schema.json").read_text())
EVIL = "<script>alert(1)</script><img src=x onerror=y> \" ' & {{ 7*7 }} {% x %} \u202e\x1b[31m"

NOTHING = dict.fromkeys(SCHEMA["$defs"]["report"]["required"])


def journal(**counted):
    return {**Tally(NOW - 7 * DAY, NOW, 84).data(), "complete": True, **counted}


FULL = {
    **NOTHING,
    "journal": journal(
        incoming={
            "foreign": [5] * 84,
            "authenticated": [1] * 84,
            "satellites": [0] * 84,
            "fetched": [0] * 84,
            "local": [2] + [0] * 83,
        },
        refused=[0] * 83 + [9],
        reasons=[{"text": EVIL, "count": 9}, {"text": "", "count": 3}],
        unknown_recipients=[{"text": f"{EVIL}@example.com", "count": 1}],
        tls={"TLS 1.3": 500, "none": 4},
        looking={"messages": 500, "seconds": 100.0, "slowest": 3.2},
        filters={"log": {"pass": 500}, "clamd": {"pass": 497, "refuse": 1, "down": 2}},
    ),
    "queue": {"messages": 1, "recipients": 2, "ages": {"5 minutes": 1}, "oldest": 20, "domains": []},
    "units": {"failed": [], "stopped": [], "watched": 12},
    "filters": [{"name": "pythonfilter", "ok": True, "said": "lets harmless mail in", "seconds": 0.2}],
    "certificates": [{"path": "/etc/ssl/mail/mail.crt", "names": ["mx1"], "until": NOW + 60 * DAY, "said": ""}],
    "backup": {
        "finished": NOW - HOUR,
        "checked": None,
        "proved": NOW - DAY,
        "bytes": 5e9,
        "restore_minutes": 4,
        "error": "",
    },
    "fetched": [{"name": "bob", "state": "active", "reached": NOW - 60}],
    "bans": {"error": "", "jails": [{"name": "courier-accounts", "banned": 1, "bans": 7}]},
    "lists": [{"zone": "bl.example.net", "kind": "bad", "ok": True, "said": "well"}],
    "findings": [{"part": "proofs", "subject": "sat1", "state": "well", "said": EVIL, "since": None}],
    "reports": {
        "dmarc": {"sources": [{"source": EVIL, "domain": "example.com", "passed": 1, "failed": 2}]},
        "tls": {"days": [], "failures": [{"mx": EVIL, "type": EVIL, "sessions": 2}]},
        "complaints": {"accounts": [{"account": EVIL, "complaints": 2}]},
    },
    "places": [{"path": "/", "bytes": 5e10, "used": 0.5, "inodes": 0.1}],
}
MAILBOX = {"address": EVIL, "disabled": False, "bytes": 2**30, "messages": 2, "last_login": "", "by": ""}


def host(name="mx1.example.com", report=None, **rest):
    return {"name": name, "kind": "hub", "domains": ["example.com"], "report": report, "mailboxes": None, **rest}


def made(*hosts, site="", limits=None):
    return document(hosts, site, 7, limits or Limits(), NOW)


class Reader(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.texts, self.open = set(), [], [], []
        self.ids, self.attributes = [], set()
        self.feed(text)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "data")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def whole():
    satellite = host("sat1.example.com", {**NOTHING, "journal": journal()}, kind="satellite", domains=[])
    return made(satellite, host(report=FULL, mailboxes=[MAILBOX]), host("sat2.example.com", domains=[]), site="north")


class TestPage:
    def test_what_strangers_wrote_is_text(self, whole):
        read = Reader(page(whole))
        assert not read.tags & {"script", "img", "iframe", "object", "form", "link"}
        assert not [name for name in read.attributes if name.startswith("on")]
        assert any("<script>alert(1)</script>" in text for text in read.texts)
        assert any("{{ 7*7 }}" in text for text in read.texts)

    def test_nothing_moves_what_is_around_it(self, whole):
        assert not set("\u202e\x1b") & set(page(whole))

    def test_needs_nothing_from_elsewhere(self, whole):
        text = page(whole)
        assert all(link.startswith("#") for link in Reader(text).links)
        assert not re.search(r"@import|url\(|https?:", text)

    def test_everything_that_is_opened_is_closed(self, whole):
        assert Reader(page(whole)).open == []

    def test_every_link_leads_somewhere(self, whole):
        read = Reader(page(whole))
        assert {link[1:] for link in read.links} <= set(read.ids)
        assert len(read.ids) == len(set(read.ids))

    def test_behind_each_plot_is_a_table(self, whole):
        text = page(whole)
        assert text.count('preserveAspectRatio="none"') == text.count("The same as a table") >= 2

    def test_where_people_have_their_mail_comes_first(self, whole):
        assert [one["name"] for one in whole["hosts"]] == ["mx1.example.com", "sat1.example.com", "sat2.example.com"]

    @pytest.mark.parametrize("part", [name for name in FULL if FULL[name] is not None])
    def test_a_host_may_lack(self, part):
        Reader(page(made(host(report={**FULL, part: None}))))

    def test_a_site_may_have_nothing_at_all(self):
        text = page(made(host(report=NOTHING)))
        for said in ("was not read", "No account is in the inventory", "is not watched", "Nobody collects that here"):
            assert said in text

    def test_says_where_the_journal_is_shorter(self):
        later = journal(first=NOW - 2 * DAY)
        assert "The journal of this host begins" in page(made(host(report={**FULL, "journal": later})))
        assert "The journal of this host begins" not in page(made(host(report=FULL)))

    def test_has_no_columns_for_what_no_filter_said(self):
        text = page(made(host(report=FULL)))
        assert [name in text for name in (">refused</th>", ">down</th>", ">deferred</th>")] == [True, True, False]

    def test_nothing_may_need_a_human(self):
        assert '<p class="all-well">' in page(made(host(report=FULL)) | {"needs": []})


class TestData:
    def test_is_as_the_schema_says(self, whole):
        jsonschema.validate(json.loads(json.dumps(whole)), SCHEMA)

    def test_a_host_that_told_nothing_is_as_the_schema_says(self):
        jsonschema.validate(json.loads(json.dumps(made({"name": "mx1", "site": ""}))), SCHEMA)

    def test_the_schema_knows_each_part(self, whole):
        broken = copy.deepcopy(whole)
        broken["hosts"][0]["report"]["journal"]["incoming"]["more"] = ["x"]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


NEEDS = {
    "a unit that has failed": ({"units": {"failed": ["x"], "stopped": [], "watched": 1}}, "bad", "units", "x"),
    "a unit that does not run": ({"units": {"failed": [], "stopped": ["x"], "watched": 1}}, "bad", "units", "x"),
    "a filter that is down": ({"filters": [{"name": "x", "ok": False, "said": ""}]}, "bad", "filters", "x"),
    "a filter that was down": ({"journal": journal(filters={"x": {"down": 1}})}, "soon", "filters", "x"),
    "a certificate that expired": (
        {"certificates": [{"path": "x", "until": NOW - DAY}]},
        "bad",
        "certificates",
        "x",
    ),
    "a certificate that expires": (
        {"certificates": [{"path": "x", "until": NOW + 13 * DAY}]},
        "soon",
        "certificates",
        "x",
    ),
    "a certificate that cannot be read": (
        {"certificates": [{"path": "x", "until": None, "said": "no"}]},
        "bad",
        "certificates",
        "x",
    ),
    "a long queue": ({"queue": {"messages": 100, "oldest": 1}}, "soon", "queue", "queue"),
    "an old queue": ({"queue": {"messages": 1, "oldest": 4 * HOUR}}, "soon", "queue", "oldest message"),
    "a backup that failed": (
        {"backup": {"error": "full", "finished": NOW, "proved": NOW}},
        "bad",
        "backup",
        "backup",
    ),
    "an old backup": (
        {"backup": {"error": "", "finished": NOW - 27 * HOUR, "proved": NOW}},
        "bad",
        "backup",
        "backup",
    ),
    "no backup": ({"backup": None}, "soon", "backup", "backup"),
    "a backup that never was": ({"backup": {"error": ""}}, "bad", "backup", "backup"),
    "a restore that nobody proved": ({"backup": {"error": "", "finished": NOW}}, "soon", "backup", "restore"),
    "a restore that was proved long ago": (
        {"backup": {"error": "", "finished": NOW, "proved": NOW - 32 * DAY}},
        "soon",
        "backup",
        "restore",
    ),
    "a mailbox that is not fetched": (
        {"fetched": [{"name": "x", "state": "failed", "reached": NOW}]},
        "bad",
        "fetched",
        "x",
    ),
    "a mailbox that is not reached": (
        {"fetched": [{"name": "x", "state": "active", "reached": NOW - 25 * HOUR}]},
        "bad",
        "fetched",
        "x",
    ),
    "a mailbox that was not reached yet": (
        {"fetched": [{"name": "x", "state": "active", "reached": None}]},
        "soon",
        "fetched",
        "x",
    ),
    "a broken list": ({"lists": [{"zone": "x", "ok": False, "said": "broken"}]}, "soon", "lists", "x"),
    "bans that nobody knows": ({"bans": {"error": "x", "jails": []}}, "bad", "bans", "bans"),
    "a file system that fills up": ({"places": [{"path": "x", "used": 0.85, "inodes": 0}]}, "soon", "places", "x"),
    "a file system that is full": ({"places": [{"path": "x", "used": 0.5, "inodes": 0.99}]}, "bad", "places", "x"),
    "a journal that is too long": ({"journal": journal(complete=False)}, "unknown", "journal", "journal"),
    "what the watch found": (
        {"findings": [{"part": "p", "subject": "x", "state": "bad", "said": "y"}]},
        "bad",
        "p",
        "x",
    ),
}
WELL = {**FULL, "findings": [], "journal": journal()}


@pytest.mark.parametrize(("report", "state", "part", "subject"), NEEDS.values(), ids=NEEDS)
def test_needs_a_human(report, state, part, subject):
    assert needs([host(report=WELL)], Limits(), NOW) == []
    (found,) = needs([host(report={**WELL, **report})], Limits(), NOW)
    assert (found["state"], found["part"], found["subject"]) == (state, part, subject)
    assert found["said"]


def test_a_host_that_nobody_reached_needs_a_human():
    (found,) = needs([host()], Limits(), NOW)
    assert (found["state"], found["subject"]) == ("bad", "mx1.example.com")


def test_the_worst_comes_first():
    full = {"path": "/srv", "used": 0.99, "inodes": 0}
    found = needs([host(report={**WELL, "backup": None, "places": [full]}, troubles={"bans": "x"})], Limits(), NOW)
    assert [one["state"] for one in found] == ["bad", "soon", "unknown"]


def test_what_the_watch_looks_at_is_said_once():
    report = {
        **WELL,
        "queue": {"messages": 500, "oldest": 1},
        "findings": [{"part": "host", "subject": "messages in the queue", "state": "soon", "said": "x"}],
    }
    assert len(needs([host(report=report)], Limits(), NOW)) == 1


def test_a_limit_is_the_sites_own():
    report = {**WELL, "queue": {"messages": 500, "oldest": 1}}
    assert needs([host(report=report)], Limits(queue_messages=501), NOW) == []


SPANS = {0.4: "0 s", 59: "59 s", 60: "1 minute", 90: "90 s", 7200: "2 hours", 40 * HOUR: "40 hours", 86400: "1 day"}


@pytest.mark.parametrize(("seconds", "words"), SPANS.items())
def test_a_time_in_words(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(("value", "top"), [(0, 2), (3, 4), (9, 10), (11, 20), (41, 60), (399, 400), (1001, 2000)])
def test_an_axis_ends_with_a_number_that_is_easy_to_read(value, top):
    assert ceiling(value) == top


def test_bars_stand_on_each_other():
    drawing = stacked({"a": [1, 0], "b": [1, 2]}, {"a": "c1", "b": "c2"}, lambda slot: f"<{slot}>")
    assert re.findall(r'x="(\d)\.06" width="\.88" y="([\d.]+)" height="([\d.]+)"', drawing) == [
        ("0", "500.0", "500.0"),
        ("0", "0.0", "500.0"),
        ("1", "0.0", "1000.0"),
    ]
    assert "<title>&lt;0&gt;: 1 a, 1 b</title>" in drawing


def test_most_was_done_within():
    assert within([1, 2, 5], [0, 0, 0, 0], 0.95) is None
    assert within([1, 2, 5], [90, 5, 5, 0], 0.95) == 2
    assert within([1, 2, 5], [0, 0, 0, 9], 0.95) is None


def test_the_first_numbers():
    found = summary(host(report=FULL))
    assert (found["received"], found["refused"]) == (6 * 84 + 2, 9)
    assert summary(host(report=NOTHING)) is None


def test_sizes_are_as_people_read_them():
    assert [size(one) for one in (5, 2048, 5e9, 2**50)] == ["5 B", "2.0 KiB", "4.7 GiB", "1024 TiB"]


class TestFiles:
    def given(self, *hosts, directory="reports", **rest):
        return {"hosts": list(hosts), "directory": directory, "days": 7, "limits": {}, **rest}

    def test_each_site_has_its_own(self, monkeypatch):
        monkeypatch.setenv("PWD", "/srv")
        hosts = [{**host(report=FULL), "site": site} for site in ("north", "south", "")]
        texts, _needs = action.written(self.given(*hosts), NOW)
        assert sorted(texts) == [
            f"/srv/reports/report{name}.{end}" for name in ("-north", "-south", "") for end in ("html", "json")
        ]
        assert json.loads(texts["/srv/reports/report-north.json"])["site"] == "north"

    @pytest.mark.parametrize("site", ["../x", "a/b", ".x", "a b", "-x"])
    def test_a_site_leads_nowhere_else(self, site):
        with pytest.raises(action.ReportError, match="part of a file's name"):
            action.written(self.given({**host(), "site": site}), NOW)

    @pytest.mark.parametrize("limits", [{"queue": 1}, {"queue_hours": "4"}, {"queue_hours": 0}, {"queue_hours": True}])
    def test_a_limit_makes_sense(self, limits):
        with pytest.raises(action.ReportError, match="limit"):
            action.written(self.given({**host(), "site": ""}, limits=limits), NOW)

    def test_whoever_may_not_cannot_read_it(self, tmp_path):
        path = tmp_path / "new" / "report.html"
        action.put(str(path), "old")
        action.put(str(path), "\udcff new")
        assert path.read_text() == "? new"
        assert path.stat().st_mode & 0o777 == 0o640
        assert [one.name for one in path.parent.iterdir()] == ["report.html"]
