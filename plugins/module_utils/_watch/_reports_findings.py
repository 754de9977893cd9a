# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the reports somebody must hear of: who is complained about, and what of ours does not prove itself."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from . import _registrations
from . import _reports_mail as mail
from . import _reports_summary as summary
from ._found import Finding, Sample, State
from ._reports_settings import Settings
from ._reports_store import Store
from ._reports_text import address, below

PART = "reports"
_MOST = 1000  # of each kind
_STATES = {"well": State.WELL, "soon": State.SOON, "late": State.BAD}


def heard(store: Store, settings: Settings, now: float) -> Iterator[Finding]:
    """What the reports of the last days say. What is below the threshold is well, so that an alarm ends."""
    since = summary.since(now, settings.heard_days)
    for one in summary.complaints(store, since, top=_MOST)["accounts"]:
        yield _complaints(one, settings)
    for one in summary.dmarc_sources(store, since, top=_MOST):
        if one["failed"] and _is_ours(one["source"], settings):
            yield _unproven(one, settings)
    for one in summary.tls(store, since, top=_MOST)["failures"]:
        if below(one["mx"].lower(), settings.servers()):
            yield _unencrypted(one, settings)


def registered(settings: Settings, today: datetime.date) -> Iterator[Finding]:
    """What a person has to do about registrations."""
    for one in _registrations.due(_registrations.read(settings.registrations, today), today):
        said = f"{one.registration.name} ({', '.join(one.registration.subjects)}): {one.said}"
        yield Finding(PART, f"registration {one.registration.name}", _STATES[one.state], said)


def registrations(settings: Settings, today: datetime.date) -> Iterator[Sample]:
    """The same as numbers."""
    for one in _registrations.due(_registrations.read(settings.registrations, today), today):
        labels = {"name": one.registration.name, "kind": one.registration.kind}
        yield Sample("courier_mail_registration_late", float(one.state == "late"), labels)
        if one.registration.due is not None:
            at = datetime.datetime.combine(one.registration.due, datetime.time(), datetime.UTC).timestamp()
            yield Sample("courier_mail_registration_due_timestamp_seconds", at, labels)


def _complaints(one: dict[str, Any], settings: Settings) -> Finding:
    number, account = one["complaints"], one["account"]
    trace = f"; mailtrace '{one['message']}' says what became of the last" if one["message"] else ""
    said = f"{_count(number, 'complaint')} about mail of {account}, the last of {one['last']}{trace}"
    return _finding(f"complaints about {account}", number >= settings.heard_complaints, said)


def _unproven(one: dict[str, Any], settings: Settings) -> Finding:
    failed, source, name = one["failed"], one["source"], one["domain"]
    said = (
        f"{failed} of {one['messages']} messages that came from {source}, which is ours, in the name of {name} proved "
        f"nothing to {_count(one['reporters'], 'receiver')} (signature {one['signed'] or 'none'}, SPF "
        f"{one['sent'] or 'none'}); the playbook dns says what is not published, and the journal who sends there"
    )
    return _finding(f"DMARC of {source} for {name}", failed >= settings.heard_failures, said)


def _unencrypted(one: dict[str, Any], settings: Settings) -> Finding:
    reason = f" ({one['reason']})" if one["reason"] else ""
    said = (
        f"{_count(one['sessions'], 'session')} with {one['mx']} for {one['domain']} failed with {one['type']}{reason}, "
        f"{_count(one['reporters'], 'sender')} said; the playbook verify asks its doors"
    )
    return _finding(
        f"TLS to {one['mx']} for {one['domain']}: {one['type']}", one["sessions"] >= settings.heard_sessions, said
    )


def _finding(subject: str, bad: bool, said: str) -> Finding:
    return Finding(PART, subject, State.BAD if bad else State.WELL, said)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _is_ours(source: str, settings: Settings) -> bool:
    return bool(address(source)) and any(mail.within(source, network) for network in settings.sending())
