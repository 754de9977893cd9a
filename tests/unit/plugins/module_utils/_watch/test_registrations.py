from __future__ import annotations

import datetime

import pytest

from plugins.module_utils._watch import _registrations as registrations
from plugins.module_utils._watch._registrations import RegistrationError

TODAY = datetime.date(2026, 11, 26)
ENTRY = {
    "name": "Example FBL",
    "kind": "fbl",
    "url": "https://example.net/fbl",
    "state": "active",
    "applied": "2026-01-31",
    "for": ["192.0.2.0/28", "2001:db8::1", "example.com", "postmaster@example.com"],
}


def entry(**given):
    return {key: value for key, value in {**ENTRY, **given}.items() if value is not None}


def test_reads_an_entry():
    (one,) = registrations.read([entry(due=datetime.date(2027, 1, 1), contact="alice@example.com")], TODAY)
    assert (one.applied, one.due, one.subjects) == (
        datetime.date(2026, 1, 31), datetime.date(2027, 1, 1), tuple(ENTRY["for"]),
    )  # fmt: skip


BAD = {
    "no dictionary": ("x", "entry 1 is 'x'; write a dictionary"),
    "no name": (entry(name=None), "entry 1 has the name None"),
    "a name of two lines": (entry(name="a\nb"), "entry 1 has the name"),
    "a key that is misspelt": (entry(sate="active"), "Example FBL: there is no sate; did you mean state?"),
    "a kind that is none": (entry(kind="x"), "Example FBL: kind is 'x'; write one of fbl, allowlist, postmaster_tool"),
    "a kind that is a list": (entry(kind=["fbl"]), "Example FBL: kind is"),
    "a state that is none": (entry(state="done"), "Example FBL: state is 'done'; write one of wanted, applied"),
    "no TLS": (entry(url="http://example.net/"), "Example FBL: url is"),
    "a contact that is no address": (entry(contact="alice"), "Example FBL: contact is 'alice'"),
    "for nobody": (entry(**{"for": []}), "Example FBL: for is []"),
    "for a text": (entry(**{"for": "example.com"}), "Example FBL: for is 'example.com'"),
    "for something else": (entry(**{"for": ["x y"]}), "Example FBL: for has 'x y'"),
    "a day that is none": (entry(due="2026-02-30"), "Example FBL: due is '2026-02-30'; write a day such as"),
    "a day without its month": (entry(due="20260228"), "Example FBL: due is '20260228'"),
    "active since never": (entry(applied=None), "Example FBL: it is active, so applied must say"),
    "wanted and applied for": (entry(state="wanted", due="2026-12-01"), "Example FBL: it has applied"),
    "wanted at no time": (entry(state="wanted", applied=None), "Example FBL: it is wanted, so due must say"),
    "applied for ever": (entry(state="applied"), "Example FBL: it is applied, so due must say"),
    "applied in the future": (
        entry(applied="2026-12-24"),
        "Example FBL: applied is 2026-12-24, which is in the future",
    ),
    "due before": (entry(due="2025-01-01"), "Example FBL: due is 2025-01-01, before it was applied for"),
}


@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD)
def test_refuses(given, said):
    with pytest.raises(RegistrationError) as refused:
        registrations.read([given], TODAY)
    assert str(refused.value).startswith(said)


def test_names_differ():
    with pytest.raises(RegistrationError, match="Example FBL: there are two of this name"):
        registrations.read([ENTRY, ENTRY], TODAY)


URL = "https://example.net/fbl"
RENEW = f"renew it, or see that it still works, at {URL}"
STATES = {
    "far away": (entry(due="2027-11-26"), "well", 365, "it works; it is due in 365 days"),
    "soon": (entry(due="2026-11-27"), "soon", 1, f"{RENEW}: it is due in 1 day"),
    "today": (entry(due="2026-11-26"), "soon", 0, f"{RENEW}: it is due in 0 days"),
    "too late": (entry(due="2026-11-25"), "late", -1, f"{RENEW}: it was due 1 day ago"),
    "no day": (entry(), "well", None, "it works"),
    "expired": (entry(state="expired"), "late", None, "it has expired; sign up again at https://example.net/fbl"),
    "wanted": (entry(state="wanted", applied=None, due="2026-11-20"), "late", -6, f"sign up at {URL}: it was due 6 days ago"),  # noqa: E501
    "applied for": (entry(state="applied", due="2026-12-01"), "soon", 5, f"ask what became of it at {URL}: it is due in 5 days"),  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize(("given", "state", "left", "said"), STATES.values(), ids=STATES)
def test_says_what_is_to_be_done(given, state, left, said):
    (one,) = registrations.due(registrations.read([given], TODAY), TODAY)
    assert (one.state, one.left, one.said) == (state, left, said)


def test_the_most_urgent_comes_first():
    known = registrations.read([entry(**{**given[0], "name": name}) for name, given in {
        "far": ({"due": "2028-01-01"},), "none": ({},), "soon": ({"due": "2026-12-01"},),
        "late": ({"due": "2026-11-01"},), "sooner": ({"due": "2026-11-28"},),
    }.items()], TODAY)  # fmt: skip
    found = registrations.due(known, TODAY)
    assert [one.registration.name for one in found] == ["late", "sooner", "soon", "far", "none"]
    assert [one["days_left"] for one in registrations.data(found)] == [-25, 2, 5, 401, None]
