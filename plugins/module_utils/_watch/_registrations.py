# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registrations: feedback loops, allow lists and tools of receivers, for which a person signs up, with dates.

Nobody but a person can sign up, so what is kept here is what was done, and by when something is to be done.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

KINDS = ("fbl", "allowlist", "postmaster_tool")
STATES = {
    "wanted": "nobody has signed up yet",
    "applied": "they have not answered yet",
    "active": "it works",
    "expired": "it worked once",
}
SOON = 30  # days
_KEYS = ("name", "kind", "url", "state", "applied", "due", "contact", "for")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+")
_SUBJECT = re.compile(r"(?:[^\s@<>,;]+@)?[^\s@<>,;/]+\.[^\s@<>,;/]+|[0-9a-fA-F.:]+(?:/[0-9]{1,3})?")
_URL = re.compile(r"https://[^\s/?#]+\S*")


class RegistrationError(ValueError):
    """An entry that makes no sense; the sentence names it."""


class Registration(NamedTuple):
    """One registration."""

    name: str
    kind: str  # one of KINDS
    url: str
    state: str  # one of STATES
    subjects: tuple[str, ...]  # the addresses, domains and networks that it is for
    applied: datetime.date | None = None
    due: datetime.date | None = None  # when somebody must look again
    contact: str = ""  # ours, whom they write to


class Due(NamedTuple):
    """What is to be done about a registration."""

    registration: Registration
    left: int | None  # days; less than 0 where it is too late, None where there is no date
    state: str  # well, soon, late
    said: str


def read(entries: Iterable[Any], today: datetime.date | None = None) -> list[Registration]:
    """Registrations from the inventory, or RegistrationError about the first that makes no sense."""
    now = today or datetime.datetime.now(datetime.UTC).date()
    found: dict[str, Registration] = {}
    for number, entry in enumerate(entries, 1):
        one = _entry(number, entry, now)
        if one.name in found:
            raise RegistrationError(f"{one.name}: there are two of this name; give each its own")
        found[one.name] = one
    return list(found.values())


def due(registrations: Iterable[Registration], today: datetime.date, soon: int = SOON) -> list[Due]:
    """What is to be done, the most urgent first, and then what is well."""
    found = [_due(one, today, soon) for one in registrations]
    order = ("late", "soon", "well")
    return sorted(
        found,
        key=lambda one: (order.index(one.state), 1 << 30 if one.left is None else one.left, one.registration.name),
    )


def data(found: Iterable[Due]) -> list[dict[str, Any]]:
    """The same for JSON."""
    return [
        {
            "name": one.registration.name,
            "kind": one.registration.kind,
            "url": one.registration.url,
            "registration": one.registration.state,
            "for": list(one.registration.subjects),
            "contact": one.registration.contact,
            "applied": str(one.registration.applied or ""),
            "due": str(one.registration.due or ""),
            "days_left": one.left,
            "state": one.state,
            "said": one.said,
        }
        for one in found
    ]


def _due(one: Registration, today: datetime.date, soon: int) -> Due:
    left = (one.due - today).days if one.due else None
    if one.state == "expired":
        return Due(one, left, "late", f"it has expired; sign up again at {one.url}")
    if left is None:
        return Due(one, None, "well", STATES[one.state])
    doing = {
        "wanted": f"sign up at {one.url}",
        "applied": f"ask what became of it at {one.url}",
        "active": f"renew it, or see that it still works, at {one.url}",
    }[one.state]
    if left < 0:
        return Due(one, left, "late", f"{doing}: it was due {-left} {_days(-left)} ago")
    if left <= soon:
        return Due(one, left, "soon", f"{doing}: it is due in {left} {_days(left)}")
    return Due(one, left, "well", f"{STATES[one.state]}; it is due in {left} {_days(left)}")


def _days(number: int) -> str:
    return "day" if number == 1 else "days"


def _entry(number: int, entry: Any, now: datetime.date) -> Registration:
    if not isinstance(entry, Mapping):
        raise RegistrationError(f"entry {number} is {entry!r:.80}; write a dictionary with {', '.join(_KEYS)}")
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 100:
        raise RegistrationError(
            f"entry {number} has the name {name!r:.80}; write a short text, such as Google Postmaster"
        )
    for key in entry:
        if key not in _KEYS:
            close = get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean {close[0]}?" if close else f"it may have {', '.join(_KEYS)}"
            raise RegistrationError(f"{name}: there is no {key}; {hint}")
    _word(name, "kind", entry.get("kind"), KINDS)
    _word(name, "state", entry.get("state"), tuple(STATES))
    url, contact = entry.get("url"), entry.get("contact", "")
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise RegistrationError(
            f"{name}: url is {url!r:.80}; write where one signs up, such as https://example.net/fbl"
        )
    if contact != "" and (not isinstance(contact, str) or not _ADDRESS.fullmatch(contact)):
        raise RegistrationError(f"{name}: contact is {contact!r:.80}; write an address, such as postmaster@example.com")
    subjects = entry.get("for")
    if not isinstance(subjects, list) or not subjects:
        raise RegistrationError(f"{name}: for is {subjects!r:.80}; write a list of addresses, domains or networks")
    for subject in subjects:
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise RegistrationError(f"{name}: for has {subject!r:.80}; write addresses, domains or networks")
    one = Registration(
        name,
        str(entry["kind"]),
        url,
        str(entry["state"]),
        tuple(subjects),
        _date(name, "applied", entry.get("applied")),
        _date(name, "due", entry.get("due")),
        contact,
    )
    _agreed(one, now)
    return one


def _agreed(one: Registration, now: datetime.date) -> None:
    """Whether the dates fit the state."""
    if one.state != "wanted" and one.applied is None:
        raise RegistrationError(f"{one.name}: it is {one.state}, so applied must say since when, such as 2026-01-31")
    if one.state == "wanted" and one.applied is not None:
        raise RegistrationError(
            f"{one.name}: it has applied, so its state is no longer wanted; write applied or active"
        )
    if one.state in ("wanted", "applied") and one.due is None:
        raise RegistrationError(
            f"{one.name}: it is {one.state}, so due must say when to look again, such as 2026-12-31"
        )
    # A day more, since it is already tomorrow somewhere.
    if one.applied and one.applied > now + datetime.timedelta(days=1):
        raise RegistrationError(
            f"{one.name}: applied is {one.applied}, which is in the future; write the day it was done"
        )
    if one.applied and one.due and one.due < one.applied:
        raise RegistrationError(
            f"{one.name}: due is {one.due}, before it was applied for; write a day after {one.applied}"
        )


def _word(name: str, key: str, value: Any, words: tuple[str, ...]) -> None:
    if value not in words:
        raise RegistrationError(f"{name}: {key} is {value!r:.80}; write one of {', '.join(words)}")


def _date(name: str, key: str, value: Any) -> datetime.date | None:
    """A day. YAML makes one of what looks like it, JSON does not."""
    if value in (None, ""):
        return None
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
            raise ValueError(value)
        return datetime.date.fromisoformat(str(value))
    except ValueError as error:
        raise RegistrationError(f"{name}: {key} is {value!r:.80}; write a day such as 2026-12-31") from error
