# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reports say together: data for pages, metrics and JSON, and tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._found import Sample
from ._reports_store import DAY, Store, day, days

TOP = 50
# Who asks not to be written to again, and who says that it was no spam, does not complain.
COMPLAINTS = ("abuse", "fraud", "virus", "opt-out", "other")
_PASS = "(r.dkim = 'pass' OR r.spf = 'pass')"  # noqa: S105 -- no password
_MARKS = ", ".join(f"'{one}'" for one in COMPLAINTS)

Rows = list[dict[str, Any]]


_SUMS = (
    f"sum(r.count), sum(r.count * {_PASS}), sum(r.count * (NOT {_PASS})), sum(r.count * (r.dkim = 'pass')),"
    " sum(r.count * (r.spf = 'pass')), sum(r.count * (r.disposition IN ('none', 'pass'))),"
    " sum(r.count * (r.disposition = 'quarantine')), sum(r.count * (r.disposition = 'reject'))"
)
_NAMES = ("messages", "passed", "failed", "dkim", "spf", "delivered", "quarantined", "rejected")
_ROWS = "FROM dmarc r JOIN reports p ON p.id = r.report WHERE p.day >= ? AND (? = '' OR p.domain = ?)"


def dmarc(store: Store, since: str, domain: str = "", top: int = TOP) -> dict[str, Rows]:
    """By domain and day, and by source: how many messages there were, whether they were proven, what became of them."""
    by_reporter = _ask(
        store,
        f"SELECT p.reporter, max(p.org), count(DISTINCT p.id), sum(r.count), sum(r.count * (NOT {_PASS})), max(p.day)"
        f" {_ROWS} GROUP BY 1 ORDER BY 4 DESC, 1 LIMIT ?",
        (since, domain, domain, top),
    )
    return {
        "days": dmarc_days(store, since, domain),
        "sources": dmarc_sources(store, since, domain, top),
        "reporters": days(by_reporter, ("reporter", "org", "reports", "messages", "failed", "last")),
    }


def dmarc_days(store: Store, since: str, domain: str = "") -> Rows:
    """The part by domain and day."""
    question = f"SELECT p.domain, p.day, {_SUMS} {_ROWS} GROUP BY 1, 2 ORDER BY 1, 2"
    return days(_ask(store, question, (since, domain, domain)), ("domain", "day", *_NAMES))


def dmarc_sources(store: Store, since: str, domain: str = "", top: int = TOP) -> Rows:
    """The part by source and domain, what failed most first."""
    found = _ask(
        store,
        f"SELECT r.source, p.domain, {_SUMS}, count(DISTINCT p.reporter), max(r.signed), max(r.sent), max(p.day)"
        f" {_ROWS} GROUP BY 1, 2 ORDER BY 5 DESC, 3 DESC, 1 LIMIT ?",
        (since, domain, domain, top),
    )
    return days(found, ("source", "domain", *_NAMES, "reporters", "signed", "sent", "last"))


def tls(store: Store, since: str, domain: str = "", top: int = TOP) -> dict[str, Rows]:
    """By domain and day: sessions. By exchanger and type: what failed."""
    table = "JOIN reports p ON p.id = r.report WHERE p.day >= ? AND (? = '' OR p.domain = ?)"
    given = (since, domain, domain)
    by_day = _ask(
        store,
        "SELECT p.domain, p.day, sum(r.good), sum(r.bad)"  # noqa: S608 -- ours
        f" FROM tls_sessions r {table} GROUP BY 1, 2 ORDER BY 1, 2",
        given,
    )
    failures = _ask(
        store,
        "SELECT p.domain, r.mx, r.type, sum(r.count), count(DISTINCT p.reporter), max(r.reason), max(p.day)"  # noqa: S608 -- ours
        f" FROM tls_failures r {table} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ?",
        (*given, top),
    )
    return {
        "days": days(by_day, ("domain", "day", "good", "bad")),
        "failures": days(failures, ("domain", "mx", "type", "sessions", "reporters", "reason", "last")),
    }


def complaints(store: Store, since: str, domain: str = "", top: int = TOP) -> dict[str, Any]:
    """By account, list and day, and who has most of them."""
    table = "FROM complaints WHERE day >= ? AND (? = '' OR domain = ?)"
    given = (since, domain, domain)
    each = _ask(
        store,
        "SELECT account, list, day, type, sum(incidents), count(DISTINCT reporter), max(evidence), max(message)"
        f" {table} GROUP BY 1, 2, 3, 4 ORDER BY 3 DESC, 5 DESC, 1, 2 LIMIT ?",
        (*given, top),
    )
    worst = {
        word: days(
            _ask(
                store,
                f"SELECT {word}, sum(incidents), max(day), max(message) {table} AND type IN ({_MARKS}) AND {word} != ''"
                " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
                (*given, top),
            ),
            (word, "complaints", "last", "message"),
        )
        for word in ("account", "list")
    }
    by_day = _ask(store, f"SELECT domain, day, type, sum(incidents) {table} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3", given)
    # Who is not known is nobody to talk to.
    named = [one for one in worst["account"] if not one["account"].startswith("?")]
    return {
        "days": days(by_day, ("domain", "day", "type", "complaints")),
        "each": days(each, ("account", "list", "day", "type", "complaints", "reporters", "evidence", "message")),
        "accounts": worst["account"],
        "lists": worst["list"],
        "offender": named[0] if named else None,
    }


def rejected(store: Store, since: str, top: int = TOP) -> Rows:
    """What was not taken, and why."""
    found = _ask(
        store,
        "SELECT kind, reason, reporter, sum(count), max(said), max(day) FROM rejections WHERE day >= ?"
        " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ?",
        (since, top),
    )
    return days(found, ("kind", "reason", "reporter", "reports", "said", "last"))


def everything(store: Store, since: str, domain: str = "", top: int = TOP) -> dict[str, Any]:
    """All of it."""
    return {
        "since": since,
        "dmarc": dmarc(store, since, domain, top),
        "tls": tls(store, since, domain, top),
        "complaints": complaints(store, since, domain, top),
        "rejected": rejected(store, since, top),
    }


def samples(store: Store, now: float, back: int = 7) -> list[Sample]:
    """What was said of the last days. Names of accounts are no labels: there are too many, and they are people's."""
    first = since(now, back)
    found: list[Sample] = []
    words = ("passed", "failed", "quarantined", "rejected")
    for one in _summed(dmarc_days(store, first), ("domain",), words):
        for word in words:
            labels = {"domain": one["domain"], "result": word}
            found.append(Sample("courier_mail_dmarc_messages", one[word], labels))
    told = tls(store, first)
    for one in _summed(told["days"], ("domain",), ("good", "bad")):
        for word, result in (("good", "successful"), ("bad", "failed")):
            labels = {"domain": one["domain"], "result": result}
            found.append(Sample("courier_mail_tls_report_sessions", one[word], labels))
    for one in told["failures"]:
        labels = {name: one[name] for name in ("domain", "mx", "type")}
        found.append(Sample("courier_mail_tls_report_failures", one["sessions"], labels))
    for one in _summed(complaints(store, first)["days"], ("domain", "type"), ("complaints",)):
        labels = {"domain": one["domain"], "type": one["type"]}
        found.append(Sample("courier_mail_complaints", one["complaints"], labels))
    for one in _summed(rejected(store, first), ("kind", "reason"), ("reports",)):
        labels = {"kind": one["kind"], "reason": one["reason"]}
        found.append(Sample("courier_mail_reports_rejected", one["reports"], labels))
    for kind, at in _ask(store, "SELECT kind, max(taken) FROM reports GROUP BY 1 ORDER BY 1", ()):
        found.append(Sample("courier_mail_reports_last_timestamp_seconds", at, {"kind": kind}))
    return found


def since(now: float, back: int) -> str:
    """The first day of so many, of which the last is today."""
    return day(now - (back - 1) * DAY)


def written(found: dict[str, Any]) -> str:
    """Everything as tables."""
    parts = [
        _table("DMARC, by domain and day", found["dmarc"]["days"]),
        _table("DMARC, by source, failures first", found["dmarc"]["sources"]),
        _table("TLS, by domain and day", found["tls"]["days"]),
        _table("TLS, what failed", found["tls"]["failures"]),
        _table("Complaints, by account and list", found["complaints"]["each"]),
        _offender(found["complaints"]["offender"]),
        _table("Not taken", found["rejected"]),
    ]
    text = "\n".join(part for part in parts if part)
    return text or f"No report has come since {found['since']}.\n"


def _offender(one: dict[str, Any] | None) -> str:
    if one is None:
        return ""
    trace = f"; mailtrace '{one['message']}' says what became of the last" if one["message"] else ""
    return f"Most complaints: {one['account']}, {one['complaints']}{trace}.\n"


def _table(title: str, rows: Rows) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(names))]
    text = ["  ".join(one.ljust(width) for one, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([title, *(f"  {line}" for line in text)]) + "\n"


def _summed(rows: Iterable[dict[str, Any]], names: Sequence[str], values: Sequence[str]) -> Rows:
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        one = found.setdefault(key, {**{name: row[name] for name in names}, **dict.fromkeys(values, 0)})
        for value in values:
            one[value] += row[value]
    return list(found.values())


def _ask(store: Store, question: str, given: Sequence[Any]) -> list[Sequence[Any]]:
    return list(store.database.execute(question, given))
