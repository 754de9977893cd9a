"""What filters must refuse after a start, as they are set."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.filter_proof import filter_proof

ALL = ["log", "clamd", "attachments", "whitelist_auth", "spamd", "repair"]
WHEN_DOWN = {"log": "accept", "spamd": "tag"}

# The settings of filters, and what they refuse.
REFUSED = {
    "as they come": ({}, ["virus", "program", "spam"]),
    "spam is never refused": ({"spamd": {"reject_score": None}}, ["virus", "program"]),
    "spam is refused from GTUBE on": ({"spamd": {"reject_score": 1000}}, ["virus", "program", "spam"]),
    "spam is refused beyond GTUBE": ({"spamd": {"reject_score": 1000.5}}, ["virus", "program"]),
    "spam is never refused for the name of the test": (
        {"spamd": {"recipients": {"probe@": {"reject_score": None}}}},
        ["virus", "program"],
    ),
    "no spam is scored for its domain": (
        {"spamd": {"recipients": {"@localhost": {"off": True}}}},
        ["virus", "program"],
    ),
    "others are off": ({"spamd": {"recipients": {"@example.com": {"off": True}}}}, ["virus", "program", "spam"]),
    "spamd gets nothing of that size": ({"spamd": {"max_size": 100}}, ["virus", "program"]),
    "no exe among the programs": ({"attachments": {"extensions": ["js", "vbs"]}}, ["virus", "spam"]),
    "exe in capitals": ({"attachments": {"extensions": ["EXE"]}}, ["virus", "program", "spam"]),
    "a pattern instead": (
        {"attachments": {"extensions": [], "patterns": [r"^probe\."]}},
        ["virus", "program", "spam"],
    ),
    "settings of clamd": ({"clamd": {"timeout": 10}}, ["virus", "program", "spam"]),
}

# The filters, what they do while their scanner is down, who waits; what is refused, and whether mail is put off.
WAITING = {
    "nobody": (ALL, WHEN_DOWN, [], ["virus", "program", "spam"], False),
    "clamd, and mail waits with it": (ALL, WHEN_DOWN, ["clamd"], ["virus", "program", "spam"], True),
    "clamd, and mail waits as it says": (
        ALL,
        {"clamd": "defer"},
        ["clamd"],
        ["virus", "program", "spam"],
        True,
    ),
    "clamd, and mail is let in": (ALL, {"clamd": "accept"}, ["clamd"], ["program", "spam"], False),
    "clamd, and mail is let in with a mark": (ALL, {"clamd": "tag"}, ["clamd"], ["program", "spam"], False),
    "clamd, whom nobody asks": (["spamd"], WHEN_DOWN, ["clamd"], ["spam"], False),
    "strangers, by greylist": (["clamd", "greylist"], {}, [], ["virus"], True),
    "strangers, by comeagain": (["comeagain"], {}, [], [], True),
    "nobody is asked": ([], WHEN_DOWN, ["clamd"], [], False),
}


@pytest.mark.parametrize(("settings", "refuses"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_follows_from_settings(settings, refuses):
    assert filter_proof(ALL, WHEN_DOWN, settings) == {"refuses": refuses, "defers": False}


@pytest.mark.parametrize(("modules", "when_down", "waiting", "refuses", "defers"), WAITING.values(), ids=WAITING)
def test_what_waits(modules, when_down, waiting, refuses, defers):
    assert filter_proof(modules, when_down, {}, waiting) == {"refuses": refuses, "defers": defers}


def test_signatures_that_do_not_know_the_pattern():
    assert filter_proof(ALL, WHEN_DOWN, {}, knows_eicar=False)["refuses"] == ["program", "spam"]


def test_settings_that_make_no_sense():
    with pytest.raises(AnsibleFilterError, match="reject_score"):
        filter_proof(ALL, {}, {"spamd": {"reject_score": 1}})
