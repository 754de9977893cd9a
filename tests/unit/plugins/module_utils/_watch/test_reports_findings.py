"""Of what in the reports somebody must hear."""

from __future__ import annotations

import datetime

import pytest

from plugins.module_utils._watch import _reports_store, _reports_take, reports
from plugins.module_utils._watch._found import State
from plugins.module_utils._watch._metrics_table import METRICS
from tests.unit import reported
from tests.unit.reported import ORIGINAL, complaint, dmarc_letter, failure, record, tls_letter

OURS, STRANGERS = "198.51.100.2", "203.0.113.9"
TODAY = datetime.datetime.fromtimestamp(reported.NOW, datetime.UTC).date()
REGISTRATION = {"kind": "fbl", "url": "https://example.net/fbl", "for": ["example.com"], "applied": "2026-01-01"}


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What is found after messages, by subject."""
    monkeypatch.setattr(_reports_store.time, "time", lambda: reported.NOW)

    def said(*letters, now=reported.NOW, **given):
        settings = reported.settings(store=str(tmp_path / "store.sqlite"), **given)
        store = reported.store(settings.store)
        for raw in letters:
            _reports_take.take(raw, settings, store)
        store.close()
        return {one.subject: one for one in reports.findings(settings, now)}

    return said


def complaints(number, account="alice"):
    text = ORIGINAL.replace("alice@", f"{account}@")
    return [complaint(text, name=f"{account}{count}") for count in range(number)]


def test_who_is_complained_about_more_than_now_and_then(said):
    found = said(*complaints(3), *complaints(2, "erin"))
    alice = found["complaints about alice@example.com"]
    assert alice.state is State.BAD
    assert alice.said.startswith("3 complaints about mail of alice@example.com")
    assert "mailtrace 'original@mx1.example.com'" in alice.said
    assert found["complaints about erin@example.com"].state is State.WELL


def test_an_alarm_about_somebody_ends(said):
    assert said(*complaints(3), now=reported.NOW + 8 * 86400) == {}


def test_what_we_send_and_nothing_proves(said):
    bad = record(OURS, 10, "reject", "fail", "fail")
    found = said(
        dmarc_letter(
            bad, record("198.51.100.3", 9, "none", "fail", "fail"), record(STRANGERS, 99, "reject", "fail", "fail")
        )
    )
    assert {subject: one.state for subject, one in found.items()} == {
        "DMARC of 198.51.100.2 for example.com": State.BAD,
        "DMARC of 198.51.100.3 for example.com": State.WELL,
    }
    assert "10 of 10 messages that came from 198.51.100.2" in found["DMARC of 198.51.100.2 for example.com"].said
    assert "SPF bounce.example.com=fail" in found["DMARC of 198.51.100.2 for example.com"].said


def test_what_is_proven_is_nothing_to_hear_of(said):
    assert said(dmarc_letter(record(OURS, 100))) == {}


def test_where_tls_to_us_fails(said):
    found = said(tls_letter(failure(count=10), failure("mx.elsewhere.test", count=99), good=0, bad=109))
    assert [(one.subject, one.state) for one in found.values()] == [
        ("TLS to mx1.example.com for example.com: certificate-expired", State.BAD)
    ]


@pytest.mark.parametrize(
    ("days", "state"), [(100, State.WELL), (30, State.SOON), (0, State.SOON), (-1, State.BAD)], ids=str
)
def test_registrations(said, days, state):
    due = str(TODAY + datetime.timedelta(days=days))
    (one,) = said(registrations=[{"name": "Example FBL", "state": "active", "due": due, **REGISTRATION}]).values()
    assert (one.subject, one.state) == ("registration Example FBL", state)


def test_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(_reports_store.time, "time", lambda: reported.NOW)
    expired = {"name": "Example FBL", "state": "expired", "due": "2026-06-01", **REGISTRATION}
    settings = reported.settings(store=str(tmp_path / "store.sqlite"), registrations=[expired])
    labels = {"name": "Example FBL", "kind": "fbl"}
    assert [(one.name, one.value, one.labels) for one in reports.samples(settings, reported.NOW)] == [
        ("courier_mail_registration_late", 1.0, labels),
        ("courier_mail_registration_due_timestamp_seconds", 1780272000.0, labels),
    ]
    for raw in (complaint(), dmarc_letter(), dmarc_letter(), tls_letter()):
        _reports_take.take(raw, settings, reported.store(settings.store))
    names = {one.name for one in reports.samples(settings, reported.NOW)}
    assert len(names) == 8
    assert names <= set(METRICS)
    assert ("courier_mail_complaints", 1) in [(one.name, one.value) for one in reports.samples(settings, reported.NOW)]
