"""What became of a letter that goes on as a message of its own, and when there is nothing more to hear of one."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.journal import Delivery
from plugins.modules.letter_info import ended, passed_on

AT = 1_795_000_000
LETTER = {"mark": "m", "passes_to": "me@example.net", "began": AT + 0.7}


def delivery(recipient="me@example.net", at=AT, ident="000000FF"):
    return Delivery(f"{at:016X}.{ident}", "SRS0=x=y=example.com=root@mx1.example.com", recipient, "passed")


GOING_ON = {
    "to whom it goes on": (LETTER, delivery(), True),
    "in other letters": (LETTER, delivery("Me@Example.net"), True),
    "later": (LETTER, delivery(at=AT + 9), True),
    "before it was sent": (LETTER, delivery(at=AT - 1), False),
    "to somebody else": (LETTER, delivery("you@example.net"), False),
    "what does not go on": (LETTER | {"passes_to": ""}, delivery(), False),
    "of an older module": ({"mark": "m", "began": AT}, delivery(), False),
}


@pytest.mark.parametrize(("letter", "one", "is_it"), GOING_ON.values(), ids=GOING_ON)
def test_a_message(letter, one, is_it):
    assert passed_on([letter], [one], {}) == ({one.id: "m"} if is_it else {})


def test_a_letter_that_was_sent_there_is_no_other_that_went_on():
    assert passed_on([LETTER], [delivery()], {delivery().id: "another"}) == {}


SAID = {
    "it arrived": ("passed", AT, True),
    "nothing yet": ("", AT, False),
    "it waits since the first try": ("waiting", AT, False),
    "it waits after the second, too": ("waiting", AT + 2, True),
}


@pytest.mark.parametrize(("outcome", "at", "is_it"), SAID.values(), ids=SAID)
def test_what_waits_is_heard_of_twice(outcome, at, is_it):
    one = delivery()._replace(outcome=outcome, at=at)
    assert ended(one, {one.id: AT + 1.0}) is is_it
