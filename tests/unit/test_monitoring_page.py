"""docs/monitoring.md has every setting and every metric, and no other."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from plugins.module_utils._watch import _alarm_settings, _host_settings
from plugins.module_utils._watch._metrics_table import METRICS

PAGE = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
# What the role itself says: it has variables of its own for that.
GIVEN = {"host", "mail", "sender", "webhooks", "webhook_urls", "webhook_keys", "certificates", "directories"}
CODE = re.compile(r"`([^`]+)`")


def table(heading):
    """The rows of the table that begins so: what is in backticks in the first column, and the last column."""
    lines = PAGE[PAGE.index(heading) :].splitlines()[2:]
    rows = [line.strip("|").split(" | ") for line in lines[: next(i for i, one in enumerate(lines) if not one)]]
    return [(CODE.findall(row[0]), row[-1].strip()) for row in rows]


@pytest.mark.parametrize(
    ("heading", "settings"),
    [
        ("| setting | meaning | unless given |", _host_settings.Settings()),
        ("| setting of `mail_alarms` | meaning", _alarm_settings.Settings()),
    ],
    ids=["mail_watch_host", "mail_alarms"],
)
def test_the_page_has_the_settings_with_their_defaults(heading, settings):
    known = {}
    for names, said in table(heading):
        values = said.split(", ") if len(names) > 1 else [said]
        known |= dict(zip(names, values, strict=True))
    defaults = {
        field.name: {"[]": "none", "{}": "none", "True": "true"}.get(str(value), str(value))
        for field in dataclasses.fields(settings)
        if (value := getattr(settings, field.name)) is not None and field.name not in GIVEN
    }
    assert known == defaults


def test_the_page_has_the_metrics():
    named = [name for names, _last in table("| metrics (`courier_mail_…`) | labels |") for name in names]
    groups = tuple(f"courier_mail_{name.removesuffix('…')}" for name in named if name.endswith("…"))
    singles = {f"courier_mail_{name}" for name in named if not name.endswith("…")}
    assert {name for name in METRICS if not name.startswith(groups)} == singles
