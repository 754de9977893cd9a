# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts saw of letters, put together: which rows a verification has, and how they look."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..module_utils._watch import _registrations
from ..plugin_utils._standing import standings

Host = Mapping[str, Any]  # a host's variables
Noted = Mapping[str, Any]  # what the role verify noted of a host
Letter = Mapping[str, Any]  # as courier.mail.letter returns it
Delivery = Mapping[str, Any]  # as courier.mail.letter_info returns it
Finding = Mapping[str, Any]  # as courier.mail.dns_info returns it
Row = dict[str, Any]
# Whether all is well with a letter, or nothing where that cannot be said; what became of it; when.
Fate = tuple[bool | None, str, float]

# Of several recipients behind one alias, the one that matters most to the reader.
_WORST = ("refused", "waiting", "", "passed", "delivered")
_COLUMNS = ("result", "direction", "host", "from", "to", "seconds", "what")
_HERE = "127.0.0.1"
_LONGEST = 60  # characters of a cell that is not the last


def verify_arrivals(hosts: Iterable[Host], name: str) -> list[str]:
    """The ids of messages that others passed on to a host. The documentation is in verify_arrivals.yml."""
    return sorted(
        {
            delivery["next_id"]
            for host in map(_noted, hosts)
            for delivery in host.get("deliveries", [])
            if delivery["peer"] == name and delivery["next_id"]
        }
    )


def verify_rows(
    variables: Iterable[Host],
    days: int = 14,
    records: Sequence[Finding] = (),
    sender_rules: Sequence[Mapping[str, Any]] = (),
    no_records: Mapping[str, str] | None = None,
) -> list[Row]:
    """One row for each direction and host. The documentation is in verify_rows.yml."""
    rows = []
    hosts = list(map(_noted, variables))
    for host in hosts:
        if "letters" not in host and "relays" not in host:
            rows.append(_row(host, "all", False, "nothing could be asked there; see the tasks above", {}))
            continue
        rows += [_letter(hosts, host, letter) for letter in host.get("letters", [])]
        rows += [_read(host, read) for read in [host.get("read")] if read]
        rows += _stands(host, days)
        rows += [_door(host, door, days) for door in host.get("doors", [])]
        rows += [_relay(host, door) for door in host.get("relays", [])]
        rows += [_list(host, one) for one in host.get("lists", [])]
    rows += _registered(hosts)
    rows += [_record(finding) for finding in records]
    rows += [row for host in hosts for row in _sender(host, sender_rules, days)]
    nowhere = {"host": ""}
    for result, reason in (no_records or {}).items():
        rows += [_row(nowhere, "dns", False if result == "failed" else None, reason, {})] if reason else []
    return rows


def verify_table(rows: Iterable[Row]) -> list[str]:
    """Rows as lines for people. The documentation is in verify_table.yml."""
    cells = [list(_COLUMNS), *([_cell(row[column]) for column in _COLUMNS] for row in rows)]
    widths = [min(_LONGEST, max(map(len, column))) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)) + f"  {line[-1]}"
        for line in cells
    ]


def _noted(variables: Host) -> Noted:
    return {"host": variables["inventory_hostname"], **variables.get("__verify_noted", {})}


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else "" if value is None else str(value)


def _row(host: Noted, direction: str, ok: bool | None, what: str, rest: Row) -> Row:
    seconds = rest.get("seconds")
    return {
        "result": "skipped" if ok is None else "ok" if ok else "failed",
        "direction": direction,
        "host": host["host"],
        "from": rest.get("from", ""),
        "to": rest.get("to", ""),
        "seconds": None if seconds is None else round(max(seconds, 0.0), 1),
        "what": what,
    }


def _letter(hosts: Sequence[Noted], host: Noted, letter: Letter) -> Row:
    ok, what, at = _fate(hosts, host, letter)
    people = {"from": letter["sender"] or ("<>" if letter["recipient"] else ""), "to": letter["recipient"]}
    seconds = {"seconds": at - letter["began"] if at else None}
    return _row(host, letter["direction"], ok, what, people | seconds)


def _fate(hosts: Sequence[Noted], host: Noted, letter: Letter) -> Fate:
    """What became of a letter."""
    if letter["skipped"]:
        return None, letter["skipped"], 0
    if not letter["accepted"]:
        if letter["reached"] or letter["host"] == _HERE:
            return False, f"not taken: {letter['said']}", letter["ended"]
        return None, f"the controller cannot reach {letter['host']}:{letter['port']}: {letter['said']}", 0
    for place in hosts:
        for found in place.get("found", []):
            if found["mark"] == letter["mark"] and found["report"] == (letter["proof"] == "report"):
                what = "report in" if found["report"] else "in"
                over = f", over {found['tls']}" if found["tls"] else ""
                return (
                    letter["proof"] != "outside",
                    f"{what} {found['folder']} of {found['mailbox']}{over}",
                    found["at"],
                )

    return _judge(hosts, host, letter)


def _judge(hosts: Sequence[Noted], host: Noted, letter: Letter) -> Fate:
    """The same of a letter that was not found, by what the journals say."""
    delivery, where = _last(hosts, host, letter)
    if delivery is None:
        return False, f"nothing is known of it on {host['name']}", 0
    outside = delivery["outcome"] == "passed" and delivery["peer"] not in {one.get("name") for one in hosts}
    known = any(letter["mailbox"] in place.get("mailboxes", []) for place in hosts)
    what = _sentence(delivery, where)
    if letter["proof"] == "report" and delivery["outcome"] == "refused" and not known:
        return None, f"whether the report came, {letter['mailbox']} knows: {what}", delivery["at"]
    if letter["proof"] == "report":
        return False, f"no report came: {what}", delivery["at"]
    if letter["proof"] == "outside":
        return outside, what, delivery["at"]
    # The mailbox may be with somebody else, and a .courier of its owner may lead elsewhere.
    delivered = delivery["outcome"] == "delivered" and delivery["recipient"].lower() == letter["mailbox"].lower()
    return delivered or (outside and not known), what, delivery["at"]


def _last(hosts: Sequence[Noted], host: Noted, letter: Letter) -> tuple[Delivery | None, str]:
    """Where a letter ended, following it from host to host."""
    last, where = None, host["name"]
    there = [one for one in host.get("deliveries", []) if one["mark"] == letter["mark"]]
    seen = set()
    while there:
        last = min(there, key=lambda one: _WORST.index(one["outcome"]))
        follow = (last["peer"], last["next_id"])
        if last["outcome"] != "passed" or not last["next_id"] or follow in seen:
            break
        seen.add(follow)
        there = [
            one
            for place in hosts
            if place.get("name") == last["peer"]
            for one in place.get("deliveries", [])
            if one["id"] == last["next_id"]
        ]
        where = last["peer"] if there else where
    return last, where


def _sentence(delivery: Delivery, where: str) -> str:
    said = delivery["said"]
    return {
        "delivered": f"delivered on {where} for {delivery['recipient']}, and not in the mailbox",
        "passed": f"{delivery['peer']} took it from {where}: {said}",
        "waiting": f"waits on {where}: {said}",
        "refused": f"came back from {where}: {said}",
        "": f"on its way on {where} when the time was over",
    }[delivery["outcome"]]


def _read(host: Noted, read: Mapping[str, Any]) -> Row:
    return _row(host, "read: IMAP", read["ok"], read["said"], {"to": read["user"], "seconds": read["seconds"]})


def _stands(host: Noted, days: int) -> list[Row]:
    """What no letter shows."""
    webmail = host.get("webmail") or {}
    rows = [_row(host, "read: webmail", webmail["ok"], webmail["said"], {"to": webmail["host"]})] if webmail else []
    hours = {"backup": 26, "fetched": 24, **host.get("hours", {})}
    now = float(host.get("at") or time.time())
    found = standings(host["stands"], days, hours, now) if host.get("stands") else ()
    return [*rows, *(_row(host, one.direction, one.ok, one.what, {"to": one.to}) for one in found)]


def _door(host: Noted, door: Mapping[str, Any], days: int) -> Row:
    left, ok, what = door["days"], door["ok"], door["said"]
    if left is not None:
        what += f", certificate for {left} days" if left >= 0 else f", certificate expired {-left} days ago"
        ok = ok and left >= days
    return _row(host, "door", ok, what, {"to": door["door"], "seconds": door["seconds"]})


def _relay(host: Noted, door: Mapping[str, Any]) -> Row:
    return _row(
        host, "relay", door["ok"], door["said"], {"from": door["who"], "to": door["door"], "seconds": door["seconds"]}
    )


def _list(host: Noted, found: Mapping[str, Any]) -> Row:
    said = found["broken"] or "its test points answer as they must"
    return _row(host, "list", not found["broken"], said, {"to": found["zone"]})


def _registered(hosts: Iterable[Noted]) -> list[Row]:
    """What is due of registrations, once for the site."""
    given = {str(one.get("name")): one for host in hosts for one in host.get("registrations", [])}
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        found = _registrations.due(_registrations.read(given.values(), today), today)
    except _registrations.RegistrationError as error:
        return [_row({"host": ""}, "registration", False, f"mail_registrations: {error}", {})]
    return [
        _row({"host": ""}, "registration", one.state != "late", _due(one), {"to": one.registration.name})
        for one in found
    ]


def _due(one: _registrations.Due) -> str:
    return f"soon: {one.said}" if one.state == "soon" else one.said


def _record(finding: Finding) -> Row:
    return _row(
        {"host": ""}, f"dns: {finding['kind']}", finding["state"] == "ok", finding["said"], {"to": finding["name"]}
    )


def _sender(host: Noted, rules: Sequence[Mapping[str, Any]], days: int) -> list[Row]:
    """What large receivers ask of whoever sends to them, of one host."""
    name = host.get("name", host["host"])
    rows = [
        _row(
            {"host": name},
            f"sender rule: {rule['id']}",
            rule["ok"],
            "; ".join(filter(None, (rule["evidence"], rule["fix"]))),
            {"to": rule["domain"]},
        )
        for rule in rules
        if rule["host"] == name
    ]
    if not rows:
        return []
    doors = [_door(host, door, days) for door in host.get("doors", []) if re.match(r"smtp \S+:25 ", door["door"])]
    ok = bool(doors) and all(door["result"] == "ok" for door in doors)
    said = "; ".join(door["what"] for door in doors) or "port 25 has no TLS; open it with a certificate"
    return [
        *rows,
        _row({"host": name}, "sender rule: tls", ok, said, {}),
        _row({"host": name}, "sender rule: unsubscribe", None, "does not apply: no bulk mail is sent from here", {}),
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_arrivals": verify_arrivals, "verify_rows": verify_rows, "verify_table": verify_table}
