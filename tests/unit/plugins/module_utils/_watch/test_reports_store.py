from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from plugins.module_utils._watch import _reports_store as reports_store
from plugins.module_utils._watch._reports_store import DAY, Rejected, StoreError
from tests.unit import reported

ABOUT = {"org": "x", "id": "1", "domain": "example.com", "begin": 0.0, "end": 0.0, "skipped": 0}
ROW = ["192.0.2.1", "example.com", "none", "pass", "pass", "", "", "", 3]
COMPLAINT = {
    "key": "1", "type": "abuse", "account": "alice@example.com", "evidence": "login", "list": "", "at": None,
    "domain": "example.com", "message": "", "source": "", "to": "", "incidents": 1,
}  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    now = [reported.NOW]
    monkeypatch.setattr(reports_store.time, "time", lambda: now[0])
    return now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def about(now, **given):
    return {**ABOUT, "begin": now - DAY, "end": now - 60, **given}


def count(store, table):
    return store.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_others_do_not_read_it(path):
    reported.store(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_is_opened_again(path, clock):
    with reported.store(path).taking() as taking:
        taking.dmarc("example.net", about(clock[0]), [ROW])
    assert count(reported.store(path), "dmarc") == 1


def test_what_is_too_old_goes(path, clock):
    store = reported.store(path, days=10)
    with store.taking() as taking:
        taking.dmarc("example.net", about(clock[0]), [ROW])
        taking.tls("example.net", about(clock[0]), [{"type": "sts", "good": 1, "bad": 1, "failures": [[*"abcd", 1]]}])
        taking.complaint("example.net", COMPLAINT)
        taking.reject("dmarc", "forged", "", "")
    clock[0] += 12 * DAY
    with store.taking():
        pass
    tables = ("reports", "dmarc", "tls_sessions", "tls_failures", "complaints", "rejections", "spent")
    assert {table: count(store, table) for table in tables} == dict.fromkeys(tables, 0)


def test_a_message_is_taken_whole_or_not(path, clock):
    store = reported.store(path)

    class Crash(Exception):
        pass

    def half():
        with store.taking() as taking:
            taking.complaint("example.net", COMPLAINT)
            raise Crash

    with pytest.raises(Crash):
        half()
    assert count(store, "complaints") == 0


def test_a_new_day_may_bring_as_much_again(path, clock):
    store = reported.store(path, reporter_rows=3)
    with store.taking() as taking:
        taking.dmarc("example.net", about(clock[0]), [ROW, ROW])
        with pytest.raises(Rejected, match=r"example\.net: more than 3 rows today"):
            taking.dmarc("example.net", about(clock[0], id="2"), [ROW])
    clock[0] += DAY
    with store.taking() as taking:
        taking.dmarc("example.net", about(clock[0], id="2"), [ROW])


def test_all_together_have_a_limit(path, clock):
    store = reported.store(path, day_rows=3)
    with store.taking() as taking:
        taking.dmarc("example.net", about(clock[0]), [ROW, ROW])
        with pytest.raises(Rejected, match="all together"):
            taking.dmarc("example.org", about(clock[0]), [ROW])


def test_a_report_is_of_the_day_that_it_is_most_about(path, clock):
    midnight = clock[0] - clock[0] % DAY
    store = reported.store(path)
    with store.taking() as taking:
        taking.dmarc("example.net", about(clock[0], begin=midnight - DAY - 7200, end=midnight - 7200), [ROW])
    assert store.database.execute("SELECT day FROM reports").fetchone() == (reports_store.day(midnight - 1),)


def damaged(path):
    path.write_bytes(b"This is no database, and long enough to be taken for one." * 100)


def newer(path):
    reported.store(path).database.execute("PRAGMA user_version = 99")


def a_directory(path):
    path.mkdir()


@pytest.mark.parametrize("spoil", [damaged, newer, a_directory])
@pytest.mark.parametrize("readonly", [True, False])
def test_says_that_it_cannot_be_used(path, spoil, readonly):
    spoil(path)
    with pytest.raises(StoreError):
        reports_store.Store(str(path), reports_store.Limits(1, 1, 1), readonly)


def test_reading_makes_no_store(path):
    store = reports_store.Store(str(path), reports_store.Limits(1, 1, 1), readonly=True)
    assert store.database.execute("SELECT count(*) FROM reports").fetchone() == (0,)
    assert not path.exists()


def test_who_only_reads_changes_nothing(path):
    reported.store(path)
    store = reports_store.Store(str(path), reports_store.Limits(1, 1, 1), readonly=True)
    with pytest.raises(sqlite3.Error, match="readonly"):
        store.database.execute("DELETE FROM reports")
