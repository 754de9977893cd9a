"""docs/filters.md says what there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from plugins.module_utils._filters._catalogue import COMMANDS, FILTERS, PACKAGED, check

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/filters.md").read_text()
DEFAULTS = yaml.safe_load((ROOT / "roles/pythonfilter/defaults/main.yml").read_text())
ORDER = re.findall(r"'(\w+)'", re.search(r"\['log'.*?\]", DEFAULTS["pythonfilter_modules"], re.DOTALL)[0])
# Where something is on every host, which only tests change.
PLACES = {"keys", "known", "state", "store"}


@pytest.mark.parametrize("name", [*FILTERS, *COMMANDS])
def test_names_every_setting(name):
    fields = {field.name for field in dataclasses.fields({**FILTERS, **COMMANDS}[name].Settings)} - PLACES
    assert [field for field in sorted(fields) if not re.search(rf"`{field}`|\b{field}:", PAGE)] == []


def test_has_a_row_for_every_filter_of_the_default_order():
    rows = [name for line in PAGE.split("## When")[0].splitlines() if line.startswith("| `") for name in _names(line)]
    assert rows == ORDER


def test_has_the_outcome_of_every_filter_of_the_default_order():
    said = {
        name: line.rsplit("|", 2)[1].strip()
        for line in PAGE.split("## When")[0].splitlines()
        if line.startswith("| `")
        for name in _names(line)
    }
    assert said == {name: DEFAULTS["pythonfilter_when_down"].get(name, "defer") for name in ORDER}


def test_without_a_scanner_the_order_is_the_same_but_for_it():
    variables = {"pythonfilter_missing": ["clamd"]}
    templar = Templar(loader=DataLoader(), variables=variables)
    assert templar.template(trust_as_template(DEFAULTS["pythonfilter_modules"])) == [
        name for name in ORDER if name != "clamd"
    ]


def test_the_default_order_is_one_that_the_module_takes():
    check(ORDER, DEFAULTS["pythonfilter_when_down"], {})
    assert set(FILTERS) <= set(ORDER)
    assert set(ORDER) <= {*FILTERS, *PACKAGED}


def _names(line: str) -> list[str]:
    return re.findall(r"`(\w+)`", line.split("|")[1])
