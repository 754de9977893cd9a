"""How a host stands, as rows."""

from __future__ import annotations

import pytest

from plugins.plugin_utils._standing import standings

NOW, HOUR, DAY = 1_795_000_000.0, 3600, 86400
HOURS = {"backup": 26, "fetched": 24}
BACKUP = {"finished": NOW - HOUR, "proved": NOW - 3 * DAY, "error": ""}


def fetched(**rest):
    return {"fetched": [{"name": "bob", "state": "active", "reached": NOW - 300} | rest]}


def finding(state, part="proofs"):
    return {"part": part, "subject": "sat1", "state": state, "said": "it is late", "since": None}


ROWS = {
    "a filter": ({"filters": [{"name": "x", "ok": True, "said": "lets in"}]}, ("filter", True, "x", "lets in")),
    "a filter that is down": (
        {"filters": [{"name": "x", "ok": False, "said": ""}]},
        ("filter", False, "x", "no answer"),
    ),
    "a certificate": (
        {"certificates": [{"path": "c", "until": NOW + 30.5 * DAY}]},
        ("certificate", True, "c", "for 30 days"),
    ),
    "a certificate that ends": (
        {"certificates": [{"path": "c", "until": NOW + 13 * DAY}]},
        ("certificate", False, "c", "for 13 days"),
    ),
    "a certificate that ended": (
        {"certificates": [{"path": "c", "until": NOW - DAY}]},
        ("certificate", False, "c", "expired 1 days ago"),
    ),
    "a certificate that is none": (
        {"certificates": [{"path": "c", "until": None, "said": "no"}]},
        ("certificate", False, "c", "no"),
    ),
    "a mailbox elsewhere": (fetched(), ("in: fetched", True, "bob", "reached 5 minutes ago")),
    "one that is not reached": (
        fetched(reached=NOW - 25 * HOUR),
        ("in: fetched", False, "bob", "reached 25 hours ago"),
    ),
    "one that is new": (fetched(reached=None), ("in: fetched", None, "bob", "not reached yet")),
    "one that was given up": (
        fetched(state="failed"),
        ("in: fetched", False, "bob", "is not fetched any more; journalctl -u fetchmail@bob says why"),
    ),
    "units": (
        {"units": {"failed": [], "stopped": [], "watched": 9}},
        ("units", True, "", "9 of mail run, and none has failed"),
    ),
    "units that do not run": (
        {"units": {"failed": ["a"], "stopped": ["b"], "watched": 9}},
        ("units", False, "", "a has failed; b does not run"),
    ),
    "a backup": ({"backup": BACKUP}, ("backup", True, "", "made 1 hour ago; a restore was proved 3 days ago")),
    "an old backup": (
        {"backup": BACKUP | {"finished": NOW - 27 * HOUR, "proved": None}},
        ("backup", False, "", "made 27 hours ago; no restore was proved"),
    ),
    "a backup that failed": (
        {"backup": BACKUP | {"error": "full", "finished": None, "proved": None}},
        ("backup", False, "", "full; never finished; no restore was proved"),
    ),
    "a backup that failed after others": (
        {"backup": BACKUP | {"error": "full"}},
        ("backup", False, "", "full; made 1 hour ago; a restore was proved 3 days ago"),
    ),
    "no backup": ({"backup": None}, ("backup", None, "", "there is none of this host")),
    "a watch that sees nothing": ({"findings": [finding("well")]}, ("watch", True, "", "1 things are well")),
    "what the watch finds bad": ({"findings": [finding("bad")]}, ("watch: proofs", False, "sat1", "it is late")),
    "what is due soon": ({"findings": [finding("soon")]}, ("watch: proofs", True, "sat1", "soon: it is late")),
    "what is not known": ({"findings": [finding("unknown")]}, ("watch: proofs", None, "sat1", "it is late")),
}


@pytest.mark.parametrize(("report", "row"), ROWS.values(), ids=ROWS)
def test_a_row(report, row):
    found = [tuple(one) for one in standings({"backup": BACKUP} | report, 14, HOURS, NOW)]
    if row[0] != "backup":
        found = [one for one in found if one[0] != "backup"]
    assert found == [row]


def test_what_has_a_row_here_is_not_said_by_the_watch_again():
    report = {"backup": BACKUP, "findings": [finding("bad", part="host")]}
    assert [one.direction for one in standings(report, 14, HOURS, NOW)] == ["backup"]
