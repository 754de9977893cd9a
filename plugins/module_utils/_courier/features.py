# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account does with its mail: rules, forwarding, a reply while somebody is away.

Courier asks a program of ours (roles/courier_auth/files/deliver.py) by a line `|| program` of the account's .courier,
and does what the program prints: lines of dot-courier(5) again. What the program goes by is one line of JSON in
~/.mailrules. So no shell ever reads anything of the inventory, and patterns may have any character.

maildrop would do some of that. It compares subjects as they are encoded, and it looks for its rules in the home of the
system user, who is one for all accounts.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .domains import DomainError, normalise
from .forwards import Inside, instructions, targets

DAYS = 7  # until somebody hears the same again
_MOST_DAYS = 365
_OUTPUT = 8000  # Courier reads no more than 8191 bytes of what the program says
_PATTERN = 1000
_TEXT = 20_000
_SIZE = re.compile(r"([1-9][0-9]{0,8})([KMG]?)")
_UNIT = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,75}")
_FOLDER = re.compile(r"[^./\\\x00-\x1f\x7f]+(\.[^./\\\x00-\x1f\x7f]+)*")
_LOCAL_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9!$%&'*+=?^_`{}~.-]{0,63}")
_ACTIONS = ("file", "mark", "forward", "reply", "discard")


class FeatureError(ValueError):
    """What an account cannot do with its mail, in a sentence that names the account."""


class Site(NamedTuple):
    """What is the same for all accounts."""

    program: str
    # Whether alice+shop@example.com comes to alice@example.com, whose mail then goes the same way.
    extensions: bool
    # Whether replies must end.
    needs_end: bool
    # The program that passes mail on to elsewhere (forwards.py), and which domains are ours.
    forward: tuple[str, Inside] | None


def passed_on(account: Mapping[str, Any]) -> list[str]:
    """The addresses that an account may pass mail on to, by its lines, its forward and its rules."""
    rules = account.get("rules") or ()
    found = [*targets(account.get("courier") or ()), *((account.get("forward") or {}).get("to") or ())]
    return found + [target for rule in rules for target in rule.get("forward") or ()]


def lines_and_rules(account: Mapping[str, Any], address: str, site: Site) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines of an account's .courier, and those of its .mailrules. Raises FeatureError."""

    def courier(lines: Iterable[str]) -> list[str]:
        return list(lines if site.forward is None else instructions(lines, address, *site.forward))

    base = courier(account["courier"])
    if one := account.get("forward"):
        if account["courier"]:
            raise FeatureError(f"{address}: forward and courier both say where mail goes; leave one of them out")
        base = courier(["./Maildir"] * bool(one["keep"]) + _forwards(f"{address}: forward.to", one["to"], address))
    vacation, rules = account.get("vacation"), account.get("rules") or []
    said: dict[str, Any] = {"address": address, "name": account.get("name") or "", "lines": base or ["./Maildir"]}
    said["own"] = [one for one in account.get("send_as") or () if not one.startswith("@")]
    if vacation:
        said["vacation"] = _vacation(f"{address}: vacation", vacation, site.needs_end)
    if rules:
        said["rules"] = [
            _rule(_named(address, number, rule), rule, address, courier) for number, rule in enumerate(rules, 1)
        ]
    for lines in [said["lines"], *(rule["lines"] for rule in said.get("rules", ()))]:
        if sum(len(line.encode()) + 1 for line in lines) > _OUTPUT:
            raise FeatureError(
                f"{address}: what happens to a message is longer than {_OUTPUT} bytes; forward to an alias instead"
            )
    if not (vacation or rules or account.get("forward")):
        # With extensions, theirs go the same way as the account's own.
        return tuple(base), (_written(said),) if base and site.extensions else ()
    return (f"|| {site.program}",), (_written(said),)


def _written(said: Mapping[str, Any]) -> str:
    # In ASCII: what YAML takes for a line break beside \n is escaped, too.
    return json.dumps(said, sort_keys=True)


def _named(address: str, number: int, rule: Mapping[str, Any]) -> str:
    return f"{address}: rules: {rule.get('name') or f'number {number}'}"


def _rule(who: str, rule: Mapping[str, Any], address: str, courier: Any) -> dict[str, Any]:
    given = [action for action in _ACTIONS if rule.get(action) not in (None, False, [], "", {})]
    if not given:
        raise FeatureError(f"{who} does nothing; write one or more of {', '.join(_ACTIONS)}")
    if "discard" in given and len(given) > 1:
        raise FeatureError(f"{who} discards, and has {given[0]}; what is thrown away goes nowhere else")
    if not rule.get("match"):
        raise FeatureError(f"{who} matches nothing; write conditions in match, or forward or vacation for all mail")
    if rule.get("keep") and "forward" not in given:
        raise FeatureError(f"{who}: keep belongs to forward; without it mail is kept anyway")
    made: dict[str, Any] = {"match": [_condition(who, one) for one in rule["match"]]}
    if "discard" in given:
        return made | {"discard": True, "lines": []}
    made["lines"] = courier(_forwards(f"{who}: forward", rule["forward"], address)) if "forward" in given else []
    if "file" in given or "mark" in given or "forward" not in given or rule.get("keep"):
        made["into"] = folder(who, rule["file"]) if "file" in given else ""
        # R is answered, T is deleted: those are not for rules.
        made["flags"] = "".join(sorted({"flagged": "F", "seen": "S"}[mark] for mark in rule.get("mark") or ()))
    if "reply" in given:
        made["reply"] = _answer(f"{who}: reply", rule["reply"])
    return made


def _condition(who: str, given: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [
        kind for kind in ("contains", "matches", "larger_than", "spam") if given.get(kind) not in (None, False, "")
    ]
    if len(kinds) != 1:
        raise FeatureError(
            f"{who}: a condition has {' and '.join(kinds) or 'nothing to look for'}; "
            "write one of contains and matches with a field, larger_than, or spam: true"
        )
    (kind,) = kinds
    value, name = given[kind], given.get("field")
    if (kind in ("contains", "matches")) != bool(name):
        raise FeatureError(
            f"{who}: {kind} {'wants' if not name else 'has no'} field; from, to, subject, list-id, "
            "or another field of the header, goes with contains and matches"
        )
    if name and not _FIELD.fullmatch(name):
        raise FeatureError(f"{who}: {name!r} is not the name of a header field, such as subject or X-Mailer")
    if kind == "larger_than":
        return {"larger_than": _size(who, value)}
    if kind == "spam":
        return {"spam": True}
    if len(value) > _PATTERN:
        raise FeatureError(f"{who}: {kind} has {len(value)} characters; {_PATTERN} are the most")
    if kind == "matches":
        try:
            re.compile(value, re.IGNORECASE)
        except re.error as error:
            raise FeatureError(f"{who}: the regular expression {value!r} does not compile: {error}") from None
    return {"field": str(name).lower(), kind: value}


def _size(who: str, value: str) -> int:
    match = _SIZE.fullmatch(value)
    if not match:
        raise FeatureError(f"{who}: larger_than {value!r} is not a size such as 500K or 5M")
    return int(match[1]) * _UNIT[match[2]]


def folder(who: str, name: str) -> str:
    """An IMAP folder as Courier calls its directory, without the first dot."""
    name = unicodedata.normalize("NFC", name)
    if not _FOLDER.fullmatch(name) or len(name.encode()) > 200 or name.strip() != name:
        raise FeatureError(
            f"{who}: {name!r} cannot be a folder: write a name such as Shop, or Shop.2026 for one in another"
        )
    if name.partition(".")[0].upper() == "INBOX":
        raise FeatureError(
            f"{who}: {name!r}: folders are called as if they were in the inbox; write {name[6:] or 'none'}"
        )
    return name


def _forwards(who: str, addresses: Sequence[str], me: str) -> list[str]:
    if not addresses:
        raise FeatureError(f"{who} has no address; write one or more")
    for one in addresses:
        local, _at, domain = one.rpartition("@")
        try:
            if not _LOCAL_PART.fullmatch(local):
                raise DomainError("before the @ is nothing, or what Courier would misread")
            normalise(domain)
        except DomainError as error:
            raise FeatureError(f"{who}: {one!r} is not an address such as bob@example.net: {error}") from None
        if one.lower() == me:
            raise FeatureError(f"{who}: {one} would pass mail on to itself; write keep: true to keep it")
    return [f"&{one}" for one in addresses]


def _answer(who: str, given: Mapping[str, Any]) -> dict[str, Any]:
    text, subject, days = given["text"], given.get("subject") or "", given["every"]
    if not text.strip() or len(text) > _TEXT or "\0" in text:
        raise FeatureError(f"{who}.text is {'empty' if not text.strip() else 'too long'}; write what others shall read")
    if len(subject) > 200 or re.search(r"[\x00-\x1f\x7f]", subject):
        raise FeatureError(f"{who}.subject is not one line of at most 200 characters")
    if not 1 <= days <= _MOST_DAYS:
        raise FeatureError(f"{who}.every is {days}; write days from 1 to {_MOST_DAYS}")
    # Who heard something else, hears of this.
    key = hashlib.sha256(f"{who}\n{subject}\n{text}".encode()).hexdigest()[:16]
    return {"subject": subject, "text": text, "every": days, "key": key}


def _vacation(who: str, given: Mapping[str, Any], needs_end: bool) -> dict[str, Any]:
    made = _answer(who, given)
    first, last = (_date(f"{who}.{name}", given.get(name)) for name in ("since", "until"))
    if needs_end and not last:
        raise FeatureError(
            f"{who} has no end, which mail_vacation_needs_end demands; write until, the last day, as 2026-08-31"
        )
    if first and last and last < first:
        raise FeatureError(f"{who} ends on {last}, before it begins on {first}")
    return made | {name: day for name, day in (("since", first), ("until", last)) if day}


def _date(who: str, value: str | None) -> str:
    if not value:
        return ""
    try:
        return datetime.date.fromisoformat(value).isoformat()
    except ValueError:
        raise FeatureError(f"{who} is {value!r}; write a day as 2026-08-31") from None
