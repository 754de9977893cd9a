# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences that a run shows on an adopted host, against what was to be expected.

What ours say in one file, the host had in several. So files of lists are compared by what Courier makes of them: what
the host said before, as adopt() found it, and what ours would say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .._courier import aliases, domains, esmtproutes, settings, smtpaccess, userdb
from .._courier.aliases import ALIASDIR_PREFIXES
from ._host import COURIER
from ._packaged import PACKAGED
from ._plan import Explained
from ._roads import action_of, said_of

# Names in our aliases that lead to a file in aliasdir. Where that leads is in the file.
_DETOURS = tuple(prefix.removeprefix(".courier-") for prefix in ALIASDIR_PREFIXES)


# What a run shows of a file of which only these differ, and what the difference is called here.
_ATTRIBUTES = re.compile(r"owner \S+, group \S+, mode [0-7]{4}\n")
ATTRIBUTES = "owner and mode"


class Difference(NamedTuple):
    """Something that will be different, and why; nothing where nobody knows."""

    path: str
    item: str
    why: str
    detail: str = ""  # what it was, and what it becomes


def judge(
    records: Iterable[Mapping[str, Any]],
    explained: Sequence[Explained],
    before: Mapping[str, Mapping[str, str]],
) -> list[Difference]:
    """All differences that tasks of a run have shown, in their order, each once.

    A record is what a task did: `task` (ROLE: NAME), `changed`, and `diff`, a list of texts before and after.
    """
    found: dict[tuple[str, str], Difference] = {}
    for record in records:
        # Of a role that is new as a whole, whatever it shows is explained.
        task = _why(explained, f"task {record.get('task')}", "*")
        for path, item, detail in _items(record, before):
            why = _why(explained, path, item) or task
            found.setdefault((path, item), Difference(path, item, why, detail))
    return list(found.values())


def _why(explained: Sequence[Explained], path: str, item: str) -> str:
    return next((one.why for one in explained if _fits(one, path, item)), "")


def _fits(one: Explained, path: str, item: str) -> bool:
    return fnmatchcase(path, one.path) and any(fnmatchcase(item, pattern) for pattern in one.items)


def _items(record: Mapping[str, Any], before: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    parts = record.get("diff") or []
    shown = False
    for part in [parts] if isinstance(parts, Mapping) else parts:
        path = str(part.get("after_header") or part.get("before_header") or "").partition(" (")[0]
        if not path:
            continue
        shown = True
        for item, was, becomes in _compared(path, _text(part.get("before")), _text(part.get("after")), before):
            yield path, item, f"{was or 'nothing'} -> {becomes or 'nothing'}"
    if record.get("changed") and not shown:
        yield f"task {record.get('task')}", "*", ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _compared(
    path: str, before: str, after: str, said: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """What is different in a file: the name of it, what it was, and what it becomes."""
    if not before and _ATTRIBUTES.fullmatch(after):
        yield ATTRIBUTES, "others", after.strip()
        return
    name = path.removeprefix(f"{COURIER}/")
    if name in PACKAGED:
        yield from _changed(settings.read(before), settings.read(after))
    elif name in _LISTS and _LISTS[name] in said:
        kind = _LISTS[name]
        yield from _changed(said[kind], _read(kind, after))
    elif name == "aliases/system" and "aliases" in said:
        yield from _changed_aliases(said["aliases"], after)
    elif name == "userdb":
        for address, fields in _fields(before, after).items():
            yield from ((f"{address} {field}", was, becomes) for field, was, becomes in _changed(*fields))
    elif path.startswith("mailboxes below "):
        yield from _changed_mailboxes(before, after)
    else:
        yield "*", f"{len(before.splitlines())} lines", f"{len(after.splitlines())} lines"


_LISTS = {
    "locals": "local",
    "hosteddomains/site": "hosted",
    "esmtpacceptmailfor.dir/site": "accepted",
    "esmtproutes": "routes",
    "smtpaccess/default": "access",
}


def _read(kind: str, text: str) -> dict[str, str]:
    if kind == "routes":
        return {one.domain: said_of(one) for one in esmtproutes.parse(text)}
    if kind == "access":
        return {one.network: action_of(one) for one in smtpaccess.parse(text)}
    if kind == "local":
        return dict.fromkeys(map(_spelled, domains.parse_plain(text)), "")
    return {_spelled(name): value for name, value in domains.parse_makedat(text).items()}


def _spelled(name: str) -> str:
    mark = "!" if name.startswith("!") else ""
    return mark + domains.normalise(name.removeprefix(mark))


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in sorted({*before, *after}):
        was, becomes = before.get(name), after.get(name)
        if was != becomes:
            yield name, _shown(was), _shown(becomes)


def _shown(value: str | None) -> str:
    return "nothing" if value is None else repr(value)


def _changed_aliases(before: Mapping[str, str], text: str) -> Iterator[tuple[str, str, str]]:
    """Aliases by where they lead in the end, as far as aliases alone say it."""
    found = {one.name.lower(): one.targets for one in aliases.parse(text)}

    def ends(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        if name in seen or name not in found:
            return {name}
        return {end for target in found[name] for end in ends(target, seen | {name})}

    after = {name: ", ".join(sorted(ends(name))) for name in found if ends(name) != {name}}
    hidden = {name for name in after if any(end.startswith(_DETOURS) for end in ends(name))}
    hidden |= {name for name in before if name in found and name not in after}
    yield from _changed(
        {name: value for name, value in before.items() if name not in hidden},
        {name: value for name, value in after.items() if name not in hidden},
    )


def _fields(before: str, after: str) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """The fields of accounts; passwords are hidden in what a run shows, and the word behind them says which are new."""
    old, new = userdb.fields(before), userdb.fields(after)
    return {address: (_steady(old.get(address, {})), _steady(new.get(address, {}))) for address in {**old, **new}}


def _steady(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value.replace("(hidden, old)", "(hidden)") for name, value in fields.items()}


def _changed_mailboxes(before: str, after: str) -> Iterator[tuple[str, str, str]]:
    was, becomes = before.splitlines(), after.splitlines()
    for line in dict.fromkeys([*was, *becomes]):
        if (line in was) != (line in becomes) and line.startswith("/"):
            path = line.partition(" ")[0]
            yield path, "" if line in becomes else line, line if line in becomes else ""
