from __future__ import annotations

import json

import pytest

from plugins.module_utils._watch import _reports_store, _reports_take
from plugins.module_utils._watch import _reports_summary as summary
from tests.unit import reported
from tests.unit.reported import ORIGINAL, complaint, dmarc_letter, failure, record, settings, tls_letter

TODAY, YESTERDAY = _reports_store.day(reported.NOW), _reports_store.day((reported.BEGIN + reported.END) / 2)
BACK = summary.since(reported.NOW, 7)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(_reports_store.time, "time", lambda: reported.NOW)
    made = reported.store(tmp_path / "store.sqlite")
    bad = record("203.0.113.9", 40, "reject", "fail", "fail")
    one = ORIGINAL.replace("alice@", "erin@").replace("original@", "second@")
    for raw in (
        dmarc_letter(record(count=5), record("198.51.100.2", 2, "none", "pass", "fail"), bad),
        dmarc_letter(bad, name="2", author="example.org", org="x", email="r@example.org"),
        dmarc_letter(name="3", domain="shop.example.com"),
        dmarc_letter(domain="example.test"),
        tls_letter(failure(), failure("mx2.example.com", "validation-failure", 7), good=100, bad=9),
        complaint(),
        complaint(name="c2"),
        complaint("List-Id: <news.example.com>\n" + one, name="c3"),
        complaint(one, feedback="Feedback-Type: not-spam\nIncidents: 90\n", name="c4"),
    ):
        _reports_take.take(raw, settings(), made)
    return made


def test_dmarc_by_day(store):
    first, second = summary.dmarc(store, BACK)["days"]
    assert first == {
        "domain": "example.com", "day": YESTERDAY, "messages": 87, "passed": 7, "failed": 80, "dkim": 7, "spf": 5,
        "delivered": 7, "quarantined": 0, "rejected": 80,
    }  # fmt: skip
    assert (second["domain"], second["messages"]) == ("shop.example.com", 1)


def test_dmarc_by_source_has_failures_first(store):
    found = summary.dmarc(store, BACK, "example.com")["sources"]
    assert [(one["source"], one["messages"], one["failed"], one["reporters"]) for one in found] == [
        ("203.0.113.9", 80, 80, 2),
        ("198.51.100.1", 5, 0, 1),
        ("198.51.100.2", 2, 0, 1),
    ]
    assert len(summary.dmarc(store, BACK, top=1)["sources"]) == 1


def test_tls(store):
    found = summary.tls(store, BACK)
    assert found["days"] == [{"domain": "example.com", "day": YESTERDAY, "good": 100, "bad": 9}]
    assert [(one["mx"], one["type"], one["sessions"]) for one in found["failures"]] == [
        ("mx2.example.com", "validation-failure", 7),
        ("mx1.example.com", "certificate-expired", 2),
    ]


def test_complaints_name_the_worst(store):
    found = summary.complaints(store, BACK)
    assert found["offender"] == {
        "account": "alice@example.com",
        "complaints": 2,
        "last": TODAY,
        "message": "original@mx1.example.com",
    }
    assert [(one["account"], one["complaints"]) for one in found["accounts"]] == [
        ("alice@example.com", 2),
        ("erin@example.com", 1),
    ]
    assert [(one["list"], one["complaints"]) for one in found["lists"]] == [("news.example.com", 1)]
    assert len(found["each"]) == 3


def test_whose_name_was_taken_out_is_not_the_worst(store):
    for number in range(5):
        hidden = "From: redacted@example.com\n\nx\n"
        _reports_take.take(complaint(hidden, name=f"h{number}"), settings(), store)
    assert summary.complaints(store, BACK)["accounts"][0]["account"] == "?@example.com"
    assert summary.complaints(store, BACK)["offender"]["account"] == "alice@example.com"


def test_what_was_before_does_not_count(store):
    found = summary.everything(store, "2030-01-01")
    assert found["dmarc"] == {"days": [], "sources": [], "reporters": []}
    assert found["complaints"]["offender"] is None
    assert summary.written(found) == "No report has come since 2030-01-01.\n"


def test_what_was_not_taken(store):
    (one,) = summary.rejected(store, BACK)
    assert (one["kind"], one["reason"], one["reporter"], one["reports"]) == ("dmarc", "not ours", "example.net", 1)


def test_samples(store):
    found = {(one.name, *one.labels.values()): one.value for one in summary.samples(store, reported.NOW)}
    assert found["courier_mail_dmarc_messages", "example.com", "failed"] == 80
    assert found["courier_mail_tls_report_sessions", "example.com", "failed"] == 9
    assert found["courier_mail_tls_report_failures", "example.com", "mx2.example.com", "validation-failure"] == 7
    assert found["courier_mail_complaints", "example.com", "abuse"] == 3
    assert found["courier_mail_reports_rejected", "dmarc", "not ours"] == 1
    assert found["courier_mail_reports_last_timestamp_seconds", "tls"] == reported.NOW
    assert not any("alice" in str(one.labels) for one in summary.samples(store, reported.NOW))


def test_is_data_and_tables(store):
    found = summary.everything(store, BACK)
    assert json.loads(json.dumps(found)) == found
    text = summary.written(found)
    assert "Most complaints: alice@example.com, 2; mailtrace 'original@mx1.example.com' says" in text
    assert all(title in text for title in ("DMARC, by source", "TLS, what failed", "Not taken"))


def test_days_begin_at_midnight_of_the_first():
    assert summary.since(reported.NOW, 1) == TODAY
