"""Why, whose, and until when."""

from __future__ import annotations

import datetime

import pytest

from plugins.module_utils._courier.terms import Terms, TermsError, comment, notice, notices

TODAY = datetime.date(2026, 11, 25)

COMMENTS = {
    "nothing": (Terms(), ""),
    "a reason": (Terms("no PTR record"), "no PTR record"),
    "all": (Terms("no PTR record", "alice", "2026-12-31"), "no PTR record; owner alice; until 2026-12-31"),
    "several lines become one": (Terms("first\nsecond\r\nthird"), "first second third"),
}
NOTICES = {
    "no end": (Terms(), None),
    "far away": (Terms(until="2026-12-26"), None),
    "thirty days before": (Terms(until="2026-12-25"), "it ends on 2026-12-25, in 30 days"),
    "the last day": (Terms(until="2026-11-25"), "it ends on 2026-11-25, in 0 days"),
}
REFUSED = {
    "over": ("2026-11-24", "it was to be until 2026-11-24, which is over; remove it, or give it a later until"),
    "no date": ("soon", "it: until 'soon' is not a date; write the last day, such as 2026-12-31"),
    "a day that is none": (
        "2026-02-30",
        "it: until '2026-02-30' is not a date; write the last day, such as 2026-12-31",
    ),
    "another spelling": ("20261231", "it: until '20261231' is not a date; write the last day, such as 2026-12-31"),
}


@pytest.mark.parametrize(("terms", "line"), COMMENTS.values(), ids=COMMENTS)
def test_a_comment_is_one_line(terms, line):
    assert comment(terms) == line


@pytest.mark.parametrize(("terms", "said"), NOTICES.values(), ids=NOTICES)
def test_speaks_of_an_end_that_is_near(terms, said):
    assert notice("it", terms, TODAY) == said


@pytest.mark.parametrize(("until", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(until, sentence):
    with pytest.raises(TermsError) as refusal:
        notice("it", Terms(until=until), TODAY)
    assert str(refusal.value) == sentence


def test_today_is_today():
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)
    assert notices([("it", Terms(until=str(tomorrow))), ("that", Terms())]) == [f"it ends on {tomorrow}, in 1 days"]
