from __future__ import annotations

import gzip
import io
import json
import os
import signal
import sqlite3
import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from plugins.module_utils._filters._dmarc_report import Reporter, run
from plugins.module_utils._filters._store import Store as FilterStore
from plugins.module_utils._watch import _hand, _reports_store, _reports_take
from plugins.module_utils._watch._reports_text import REASONS, Refused
from tests.unit import reported
from tests.unit.reported import complaint, dmarc_letter, failure, letter, record, settings, tls_letter, xml
from tests.unit.signed import Dns

RESULT = {
    "policy": {"v": "DMARC1", "p": "reject", "rua": "mailto:dmarc@example.com"},
    "disposition": "reject",
    "dkim": "fail",
    "spf": "fail",
    "reason": [],
    "author": "example.com",
    "sender": "example.org",
    "signatures": [],
    "sent": ["example.org", "mailfrom", "softfail"],
}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(_reports_store.time, "time", lambda: reported.NOW)


@pytest.fixture
def store(tmp_path):
    return reported.store(tmp_path / "store.sqlite")


def take(store, raw, **given_):
    return [one["reason"] for one in _reports_take.take(raw, settings(**given_), store)]


def rows(store, table):
    return list(store.database.execute(f"SELECT * FROM {table}"))


GOOD = {
    "DMARC in gzip": (dmarc_letter(), "dmarc"),
    "DMARC in zip": (letter(reported.packed(xml()), "application/zip"), "dmarc"),
    "DMARC as it is": (letter(xml(), "text/xml"), "dmarc"),
    "DMARC in what nobody knows": (letter(gzip.compress(xml()), "application/octet-stream"), "dmarc"),
    "TLS": (tls_letter(), "tls_sessions"),
    "TLS as it is": (letter(json.dumps(reported.tls()).encode(), "application/tlsrpt+json"), "tls_sessions"),
    "a complaint": (complaint(), "complaints"),
}


@pytest.mark.parametrize(("raw", "table"), GOOD.values(), ids=GOOD)
def test_takes(store, raw, table):
    assert take(store, raw) == [""]
    assert len(rows(store, table)) == 1
    assert rows(store, "rejections") == []


def test_the_same_report_counts_once(store):
    for raw in (dmarc_letter(), tls_letter(), complaint()):
        assert take(store, raw) + take(store, raw) == ["", "duplicate"]
    assert [row[-2] for row in rows(store, "rejections")] == [1, 1, 1]
    assert take(store, dmarc_letter(author="example.org", org="example.org", email="r@example.org")) == [""]


def test_a_report_about_several_domains_is_several(store):
    said = reported.tls()
    said["policies"] += reported.tls(domain="a.example.com")["policies"] + reported.tls(domain="b.test")["policies"]
    assert take(store, letter(json.dumps(said).encode(), "application/json")) == ["", ""]
    assert sorted(row[0] for row in store.database.execute("SELECT domain FROM reports")) == [
        "a.example.com",
        "example.com",
    ]


FUTURE = {"start-datetime": "2020-01-01", "end-datetime": "2099-01-01"}
BAD = {
    "a letter": (b"From: a@example.net\n\nx\n", "forged"),
    "a letter of somebody": (
        (reported.RESULTS.format("example.net") + reported.RECEIVED).encode() + b"From: a@example.net\n\nx\n",
        "not a report",
    ),
    "nothing": (b"", "forged"),
    "nobody proves it": (dmarc_letter(top=reported.RECEIVED), "forged"),
    "somebody else proves himself": (dmarc_letter(top=reported.RESULTS.format("b.test") + reported.RECEIVED), "forged"),
    "it names somebody else": (dmarc_letter(org="example.org", email="r@example.org"), "forged"),
    "TLS that names somebody else": (tls_letter(**{"contact-info": "t@example.org"}), "forged"),
    "a complaint that nobody proves": (complaint(top=reported.RECEIVED), "forged"),
    "a domain of others": (dmarc_letter(domain="example.org"), "not ours"),
    "a domain that ends like ours": (dmarc_letter(domain="notexample.com"), "not ours"),
    "TLS of others": (tls_letter(domain="example.org"), "not ours"),
    "the future": (dmarc_letter(end=reported.NOW + 3 * 86400), "dates"),
    "TLS of the future": (tls_letter(**{"date-range": FUTURE}), "dates"),
    "a complaint of the future": (
        complaint(feedback="Feedback-Type: abuse\nArrival-Date: Mon, 21 Sep 2099 10:00:00 +0000\n"), "dates"),
    "the past": (dmarc_letter(begin=1, end=86400), "dates"),
    "an end before the beginning": (dmarc_letter(begin=reported.END, end=reported.BEGIN), "dates"),
    "a year": (dmarc_letter(begin=reported.END - 365 * 86400), "dates"),
    "a bomb": (letter(gzip.compress(b"<feedback>" + b" " * (50 << 20))), "bomb"),
    "the billion laughs": (letter(b'<!DOCTYPE x [<!ENTITY a "b">]><feedback>&a;</feedback>', "text/xml"), "entities"),
    "broken XML": (letter(b"<feedback>", "text/xml"), "broken"),
    "broken JSON": (letter(b"{", "application/json"), "broken"),
    "a picture that says it is a report": (letter(b"\x89PNG", "application/gzip"), "not a report"),
    "more rows than a day may bring": (
        dmarc_letter(*(record(f"10.0.{n // 250}.{n % 250}") for n in range(1001))), "daily limit"),
    "parts without end": (
        (reported.RESULTS.format("example.net") + reported.RECEIVED).encode()
        + b'From: a@example.net\nContent-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 1000, "too deep"),
    "parts within parts": (
        (reported.RESULTS.format("example.net") + reported.RECEIVED).encode() + b"From: a@example.net\n"
        + b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(3000)), None),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD)
def test_rejects_and_counts(store, raw, reason):
    (found,) = take(store, raw)
    assert found in REASONS
    assert reason is None or found == reason
    assert [(row[2], row[5]) for row in rows(store, "rejections")] == [(found, 1)]
    assert rows(store, "reports") == rows(store, "complaints") == rows(store, "dmarc") == []


def test_what_a_day_may_bring(store):
    many = [record(f"10.0.0.{n}") for n in range(200)]
    found = [take(store, dmarc_letter(*many, name=f"{n}"))[0] for n in range(6)]
    assert found == ["", "", "", "", "daily limit", "daily limit"]
    assert take(store, dmarc_letter(author="example.org", org="x", email="")) == [""]


def test_names_that_somebody_makes_up_do_not_fill_the_store(store):
    with store.taking() as taking:
        for number in range(2000):
            taking.reject("dmarc", "forged", f"a{number}.test", "x")
    found = rows(store, "rejections")
    assert len(found) == 501
    assert sum(row[5] for row in found) == 2000


def test_a_message_that_is_too_large_is_read_to_its_end():
    stream = io.BytesIO(b"x" * 1_000_000)
    assert _hand.receive(stream, 100_000) is None
    assert stream.tell() == 1_000_000
    assert _hand.receive(io.BytesIO(b"x" * 100), 100) == b"x" * 100


def test_a_message_that_is_too_large_is_counted(store):
    assert take(store, None) == ["too large"]


def spin():
    while True:
        pass


def swallow():
    held = []
    while True:
        held.append(bytearray(1 << 24))


def sleep():
    time.sleep(60)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("read", [spin, swallow, sleep, die])
def test_a_reader_that_takes_too_much_harms_nobody(read):
    (found,) = _reports_take.apart(read, settings(seconds=1, memory=64))
    assert (found["reason"], found["said"]) == ("resources", "it took more than 1 s or 64 MiB")


def write():
    with open("/tmp/never", "w") as stream:
        stream.write("x")


def start():
    return [{"found": os.spawnlp(os.P_WAIT, "true", "true")}]


@pytest.mark.parametrize("read", [write, start] if os.geteuid() else [write])
def test_a_reader_has_no_way_out(read):
    (found,) = _reports_take.apart(read, settings())
    assert found["reason"] == "resources"


def test_a_reader_leaves_no_process(store):
    take(store, dmarc_letter())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_nobody_foresaw_is_counted(store, monkeypatch):
    def fail(_raw):
        raise AttributeError("policy")

    monkeypatch.setattr(_reports_take.mail, "read", fail)
    assert take(store, dmarc_letter()) == ["broken"]


def test_a_store_that_cannot_be_written_keeps_nothing_and_says_so(store):
    other = sqlite3.connect(store.database.execute("PRAGMA database_list").fetchone()[2], isolation_level=None)
    store.database.execute("PRAGMA busy_timeout = 10")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(_reports_store.StoreError):
        take(store, dmarc_letter())
    other.execute("ROLLBACK")
    assert take(store, dmarc_letter()) == [""]


def test_a_large_report_stays_in_its_bounds(tmp_path):
    """30,000 rows."""
    store = reported.store(tmp_path / "large.sqlite", reporter_rows=10**6, day_rows=10**6)
    many = [record(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(30_000)]
    assert take(store, letter(gzip.compress(xml(*many))), memory=64) == [""]
    assert store.database.execute("SELECT count(*), sum(count) FROM dmarc").fetchone() == (30_000, 30_000)


def test_millions_of_rows_are_refused(store):
    text = gzip.compress(xml(*[record()] * 20_000))
    assert take(store, letter(text), ratio=2000, rows=10_000) == ["too many rows"]


@pytest.mark.parametrize("which", ["dmarc", "tls", "complaint"])
@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_message_is_taken_or_rejected(which, data):
    """In the reader itself, without the child, which would hide what it cannot do."""
    raw = {"dmarc": dmarc_letter(), "tls": tls_letter(failure()), "complaint": complaint()}[which]
    held = bytearray(raw)
    for _time in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(held) - 1))
        held[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    for one in _reports_take.outcomes(bytes(held), settings()):
        json.dumps(one).encode("utf-8")
        assert one.get("reason", "broken") in REASONS


@hypothesis_settings(max_examples=100)
@given(st.binary(max_size=500))
def test_any_bytes_are_rejected(raw):
    (found,) = _reports_take.outcomes(raw, settings())
    assert found["reason"] in REASONS


def test_every_reason_is_one_that_is_known():
    """The store's own ones, too."""
    assert {"duplicate", "dates", "daily limit"} <= set(REASONS)
    assert Refused("forged").reason in REASONS


def test_what_our_filters_report_is_a_report(tmp_path, store, monkeypatch):
    kept = FilterStore(str(tmp_path / "filters.sqlite"))
    monkeypatch.setattr(_reports_store.time, "time", lambda: reported.NOW - 60)
    kept.keep_result("example.com", "198.51.100.1", RESULT)
    monkeypatch.setattr(_reports_store.time, "time", lambda: reported.NOW)
    sent = []
    who = Reporter("mx1.example.net", "postmaster@example.net", ["example.net"])
    assert list(run(kept, who, Dns(), lambda letter, to: sent.append(letter)))
    top = (reported.RESULTS.format("example.net") + reported.RECEIVED).encode()
    assert take(store, top + bytes(sent[0])) == [""]
    ((_report, source, author, disposition, *_rest, count),) = rows(store, "dmarc")
    assert (source, author, disposition, count) == ("198.51.100.1", "example.com", "reject", 1)
