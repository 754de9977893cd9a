"""What systemd-tmpfiles would empty, and what becomes of such lines."""

from __future__ import annotations

import re

import pytest

from plugins.module_utils._tmpfiles import emptied, kept

KEPT = {
    "a directory of configuration": ("D /etc/courier/aliases/ 0750 root courier - -\n", "/etc/courier/aliases"),
    "a directory of the queue": ("    D  /var/lib/courier/msgs 0750 courier courier -\n", "/var/lib/courier/msgs"),
    "one that is emptied at boot only": ("D! /var/lib/courier/msgq\n", "/var/lib/courier/msgq"),
    "one in quotes": ('D "/var/lib/courier/tmp" 0770\n', "/var/lib/courier/tmp"),
    "one whose name only begins as a passing one": ("D /runner 0755 root root -\n", "/runner"),
}
LEFT = {
    "what is made anew by itself": "D /run/courier 0775 root courier - -\n",
    "a passing directory": "D /tmp/courier 0775 root courier - -\n",
    "a directory that is kept": "d /var/lib/courier/msgs 0750 courier courier - -\n",
    "modes": "z /usr/sbin/sendmail 2755 root courier - -\n",
    "a comment": "# D /var/lib/courier/msgs\n",
    "nothing": "",
}


@pytest.mark.parametrize(("text", "path"), KEPT.values(), ids=KEPT)
def test_keeps(text, path):
    assert emptied(text) == [path]
    assert re.sub("(?<= ):", "", kept(text)) == text.replace("D", "d", 1)
    assert emptied(kept(text)) == []


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_leaves_alone(text):
    assert emptied(text) == []
    assert kept(text) is None


def test_a_directory_that_is_there_has_the_mode_that_it_was_given():
    assert kept("D /etc/courier/shared/ 0750 root courier - -\n") == "d /etc/courier/shared/ :0750 :root :courier - -\n"


def test_an_age_is_no_group():
    assert kept("D /var/lib/courier/msgq - - - 10d\n") == "d /var/lib/courier/msgq - - - 10d\n"


def test_changes_no_other_line():
    text = f"# About it\n{LEFT['modes']}{KEPT['a directory of the queue'][0]}{LEFT['what is made anew by itself']}"
    before, after = text.splitlines(), kept(text).splitlines()
    assert [(one, other) for one, other in zip(before, after, strict=True) if one != other] == [
        (
            "    D  /var/lib/courier/msgs 0750 courier courier -",
            "    d  /var/lib/courier/msgs :0750 :courier :courier -",
        )
    ]
