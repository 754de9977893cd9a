from __future__ import annotations

import pytest

from plugins.module_utils._filters.smuggling import Filter, Settings
from tests.unit.filtered import message

HEAD = b"Received: from x\nSubject: s\n\n"


def judge(tmp_path, text):
    return Filter(Settings()).check(message(tmp_path, text=text))


@pytest.mark.parametrize(
    "text",
    [HEAD + b"a\n.\nb\n", HEAD + b"a\r\nb\r\n", HEAD + b"..\n", HEAD + b"no line end", HEAD, b""],
    ids=["dot alone", "as programs write", "two dots", "no end", "no body", "nothing"],
)
def test_lets_in(tmp_path, text):
    assert judge(tmp_path, text).action == "pass"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + b"a\r.\rb\n",
        HEAD + b"a\r.\n",
        HEAD + b"a\n.\rb\n",
        HEAD + b"a\r\r\n",
        HEAD + b"a\r",
        b"Subject: a\rb\n\nx\n",
    ],
    ids=["around a dot", "before a dot", "behind a dot", "two", "last byte", "in the header"],
)
def test_refuses_a_cr_that_ends_no_line(tmp_path, text):
    verdict = judge(tmp_path, text)
    assert verdict.reply.startswith("550 5.6.0 The message has a CR that ends no line")
    assert verdict.note == f"CR at {text.find(13)}"


def test_looks_at_all_of_a_large_message(tmp_path):
    assert judge(tmp_path, HEAD + b"x" * 9000000 + b"\r.\n").action == "refuse"
