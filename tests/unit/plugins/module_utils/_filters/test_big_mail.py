from __future__ import annotations

import pytest

from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters.big_mail import Filter, Settings
from tests.unit.filtered import TEXT, addresses, left, message

BODY = "x" * 70 + "\n"
LARGE = TEXT + BODY * 20
NAMELESS = "client.example.net ([::ffff:192.0.2.7])"


@pytest.fixture
def settings(tmp_path):
    return lambda **given: Settings(
        **{"min_size": 1000, "store": str(tmp_path / "store.sqlite"), "known": addresses(tmp_path)} | given
    )


def without(name):
    return "".join(line for line in LARGE.splitlines(keepends=True) if not line.lower().startswith(f"{name}:"))


FOUND = {
    "nothing": ({}, "0 points: nothing"),
    "no Date": ({"text": without("date")}, "2 points: no_date"),
    "no Message-ID": ({"text": without("message-id")}, "2 points: no_message_id"),
    "no From": ({"text": without("from")}, "2 points: no_from"),
    "no name in DNS": ({"host": NAMELESS}, "2.5 points: no_ptr"),
    "bulk": ({"text": f"Precedence: Bulk\n{LARGE}"}, "2.5 points: bulk_unsigned"),
    "a list": ({"text": f"List-Unsubscribe: <mailto:x@example.net>\n{LARGE}"}, "2.5 points: bulk_unsigned"),
    "a signed list": ({"text": f"DKIM-Signature: v=1\nPrecedence: list\n{LARGE}"}, "0 points: nothing"),
}


@pytest.mark.parametrize(("given", "note"), FOUND.values(), ids=FOUND)
def test_finds(tmp_path, settings, given, note):
    verdict = Filter(settings()).check(message(tmp_path, **{"text": LARGE} | given))
    assert (verdict.action, verdict.note) == ("pass", note)


def test_finds_many_recipients(tmp_path, settings):
    mail = message(tmp_path, "a@example.com", "b@example.com", text=LARGE)
    assert Filter(settings(many_recipients=2)).check(mail).note == "2 points: many_recipients"


def test_finds_who_does_so_again_and_again(tmp_path, settings):
    one = Filter(settings(many_messages=2))
    notes = [one.check(message(tmp_path, text=LARGE)).note for _time in range(3)]
    assert notes == ["0 points: nothing", "0 points: nothing", "2 points: repeated"]


def amounts(one):
    return [(event.key, event.amount) for event in one._store.events(["big"])]


def test_marks_what_is_enough_for_that(tmp_path, settings):
    one, mail = Filter(settings()), message(tmp_path, text=without("date"), host=NAMELESS)
    assert one.check(mail).action == "accept"
    assert left(mail) == ["alice-junk@example.com"]
    mail.commit()
    assert (tmp_path / "D1").read_text().startswith("X-Spam-Flag: YES\n")
    assert amounts(one) == [("192.0.2.7", 0.5)]


def test_refuses_what_is_enough_for_that(tmp_path, settings):
    one, mail = Filter(settings()), message(tmp_path, text="Precedence: bulk\n\n" + BODY * 20, host=NAMELESS)
    verdict = one.check(mail)
    assert verdict.action == "refuse"
    assert verdict.note == "11 points: no_date, no_message_id, no_from, no_ptr, bulk_unsigned"
    assert amounts(one) == [("192.0.2.7", 1.0)]


def test_numbers_are_data(tmp_path, settings):
    mail = message(tmp_path, text=LARGE, host=NAMELESS)
    assert Filter(settings(points={"no_ptr": 9.0})).check(mail).action == "refuse"
    assert Filter(settings(points={"no_ptr": 9.0}, reject=0)).check(mail).action == "accept"
    assert Filter(settings(points={"no_ptr": 9.0}, reject=0, tag=0, count=False)).check(mail).action == "pass"


@pytest.mark.parametrize(
    "given",
    [{"text": TEXT}, {"login": "alice@example.com"}, {"relay": True}, {"local": True}],
    ids=["small", "a person here", "a server of ours", "a program"],
)
def test_leaves_alone(tmp_path, settings, given):
    one = Filter(settings(points={"no_ptr": 9.0}))
    assert one.check(message(tmp_path, **{"text": LARGE, "host": NAMELESS} | given)).note == ""
    assert amounts(one) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"points": {"no_mx": 1}},
            "points is 'no_mx'; write some of no_date, no_message_id, no_from, no_ptr, bulk_unsigned, many_recipients, "
            "repeated",
        ),
        ({"tag": 5.0, "reject": 4}, "reject is 4; write more than tag, which is 5.0, or 0"),
        ({"tag": -1}, "tag is -1; write 0, which is never, or more"),
        ({"min_size": 0}, "min_size is 0; write a number of at least 1"),
    ],
)
def test_refuses_settings(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, given)
    assert str(refusal.value) == sentence
