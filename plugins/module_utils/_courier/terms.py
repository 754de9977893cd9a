# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an exception is there, whose it is, and until when: exceptions that nobody remembers are never taken back."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import NamedTuple

# Days before the end from which on each run speaks of it.
NOTICE = datetime.timedelta(days=30)


class TermsError(ValueError):
    """An exception that is over, or whose end is no date."""


class Terms(NamedTuple):
    """What is written beside an entry. Courier reads none of it."""

    reason: str | None = None
    owner: str | None = None
    until: str | None = None  # the last day, as in 2026-12-31


NONE = Terms()
# As arguments of a module.
TERMS_SPEC = {name: {"type": "str"} for name in Terms._fields}


def comment(terms: Terms) -> str:
    """One line for people, without the mark that begins a comment; empty where nothing is to be said."""
    said = [terms.reason, terms.owner and f"owner {terms.owner}", terms.until and f"until {terms.until}"]
    return "; ".join(re.sub(r"\s+", " ", part).strip() for part in said if part)


def notices(entries: Iterable[tuple[str, Terms]], today: datetime.date | None = None) -> list[str]:
    """What a run has to say of entries that end soon, by their names. Raises TermsError for one that has ended."""
    day = today or datetime.date.today()
    return [said for name, terms in entries if (said := notice(name, terms, day))]


def notice(name: str, terms: Terms, today: datetime.date) -> str | None:
    """What a run has to say of an entry that ends soon. Raises TermsError when it has ended, or ends on no day."""
    if not terms.until:
        return None
    try:
        last = datetime.date.fromisoformat(terms.until) if re.fullmatch(r"\d{4}-\d\d-\d\d", terms.until) else None
    except ValueError:
        last = None
    if last is None:
        raise TermsError(f"{name}: until {terms.until!r} is not a date; write the last day, such as 2026-12-31")
    if last < today:
        raise TermsError(f"{name} was to be until {last}, which is over; remove it, or give it a later until")
    if last - today <= NOTICE:
        return f"{name} ends on {last}, in {(last - today).days} days"
    return None
