# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host stands at the moment. Everything is looked up and nothing changed; what a host does not have is None."""

from __future__ import annotations

import ast
import contextlib
import glob
import json
import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .._filter_probe import greet

Run = Callable[..., tuple[int, str]]  # a command and its arguments; its code and what it said

QUEUE = "/var/lib/courier/msgs"
FILTERS = "/var/lib/courier/allfilters"
BACKUP = "/var/lib/courier-mail-backup/state.json"
FETCHED = "/var/lib/fetchmail"
BANS = "/var/lib/fail2ban/fail2ban.sqlite3"
# Until when a message has waited for how long, in seconds.
AGES = ((300, "5 minutes"), (3600, "1 hour"), (14400, "4 hours"), (86400, "1 day"))
OLDER = "longer"
# Units that a mail service consists of. Those of timers are inactive most of the time.
_UNITS = ("courier*", "clamav-daemon*", "spamd*", "fail2ban*", "nginx*", "fetchmail@*", "php*-fpm*", "nftables*")
_LIST_UNITS = ("systemctl", "list-units", "--plain", "--no-legend", "--no-pager", "--full")
_LIST_FILES = ("systemctl", "list-unit-files", "--plain", "--no-legend", "--no-pager", "--full")
_MOST_FILES = 20_000
_CONTROL_BYTES = 1 << 16
_PROOF = "courier-proof"  # the jail that nothing leads into
_LIST = re.compile(r"(\S+) \((good|bad) hosts\): (.*)")
_PLACES = ("/", "/var", "/var/lib/courier", "/var/log", "/srv")


def queue(now: float, directory: str = QUEUE) -> dict[str, Any] | None:
    """What waits, and for how long. The time is that of the id."""
    if not os.path.isdir(directory):
        return None
    ages = dict.fromkeys((*(name for _end, name in AGES), OLDER), 0)
    oldest, messages, recipients = 0.0, 0, 0
    domains: Counter[str] = Counter()
    files = glob.iglob(f"{glob.escape(directory)}/*/C*")
    for number, path in enumerate(files):
        if number >= _MOST_FILES:
            break
        with contextlib.suppress(OSError, ValueError):  # delivered meanwhile
            waiting, began = _control(path)
            if not waiting:
                continue
            messages += 1
            recipients += len(waiting)
            domains.update({one.rpartition("@")[2].lower()[:100] for one in waiting})
            age = max(now - began, 0.0)
            oldest = max(oldest, age)
            ages[next((name for end, name in AGES if age < end), OLDER)] += 1
    return {
        "messages": messages,
        "recipients": recipients,
        "ages": ages,
        "oldest": round(oldest),
        "domains": [
            {"text": text, "count": count}
            for text, count in sorted(domains.items(), key=lambda one: (-one[1], one[0]))[:5]
        ],
    }


def _control(path: str) -> tuple[list[str], float]:
    """Who has a message not yet, and when it came. Records are those of courier/libs/comctlfile.h."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = stream.read(_CONTROL_BYTES).split("\n")
    began, address = os.stat(path).st_mtime, ""
    found: list[str] = []
    done: set[int] = set()
    for line in lines:
        letter, value = line[:1], line[1:]
        if letter == "X":  # cancelled
            return [], began
        if letter == "M":
            with contextlib.suppress(IndexError, ValueError):
                began = float(int(value.split(".")[1], 16))
        elif letter == "r":
            address = value
        elif letter == "N":
            found.append(address)
        elif letter in ("S", "F") and value.split(" ")[0].isdigit():
            done.add(int(value.split(" ")[0]))
    return [one for number, one in enumerate(found) if number not in done], began


def units(run: Run) -> dict[str, Any] | None:
    """Units that have failed, and those that should run and do not."""
    code, said = run(*_LIST_UNITS, "--state=failed")
    if code:
        return None
    failed = sorted({line.split()[0] for line in said.splitlines() if line.split()})
    _code, said = run(
        "systemctl", "list-unit-files", "--state=enabled", "--plain", "--no-legend", "--no-pager", *_UNITS
    )
    enabled = [line.split()[0] for line in said.splitlines() if line.split()]
    # A template is no unit.
    wanted = [name for name in enabled if name.endswith((".service", ".socket", ".timer")) and "@." not in name]
    stopped = []
    if wanted:
        _code, said = run("systemctl", "show", "--property=Id,ActiveState,Type,UnitFileState", "--", *wanted)
        for part in said.strip().split("\n\n"):
            unit = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
            if unit.get("ActiveState") not in ("active", "activating", "reloading") and unit.get("Type") != "oneshot":
                stopped.append(unit.get("Id", ""))
    return {"failed": failed, "stopped": sorted(set(stopped) - set(failed)), "watched": len(wanted)}


def filters(directory: str = FILTERS) -> list[dict[str, Any]] | None:
    """Whether each filter of Courier lets harmless mail in. One whose scanner is down says 4xx."""
    if not os.path.isdir(directory):
        return None
    found = []
    for name in sorted(os.listdir(directory)):
        began = time.monotonic()
        try:
            said = greet(f"{directory}/{name}")
        except (OSError, KeyError) as error:
            said = getattr(error, "strerror", None) or str(error)
        ok = said.startswith("2")
        seconds = round(time.monotonic() - began, 2)
        found.append({"name": name, "ok": ok, "said": "lets harmless mail in" if ok else said, "seconds": seconds})
    return found


def certificates(paths: Iterable[str], describe: Callable[[str], tuple[list[str], float]]) -> list[dict[str, Any]]:
    """How long the certificates of some files last."""
    found = []
    # A pattern may lead to nothing; a file is wanted.
    for path in sorted({one for each in paths for one in (glob.glob(each) if glob.has_magic(each) else [each])}):
        try:
            names, until = describe(path)
            found.append({"path": path, "names": names, "until": until, "said": ""})
        except (OSError, ValueError) as error:
            found.append({"path": path, "names": [], "until": None, "said": str(error)})
    return found


def backup(path: str = BACKUP) -> dict[str, Any] | None:
    """What the backup says of itself."""
    try:
        with open(path, encoding="utf-8") as stream:
            said = json.load(stream)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return {"error": f"{path}: {error}"}
    if not isinstance(said, dict):
        return {"error": f"{path} is no dictionary"}
    numbers = ("finished", "checked", "proved", "bytes", "restore_minutes")
    found = {name: said.get(name) if isinstance(said.get(name), int | float) else None for name in numbers}
    return {**found, "error": str(said.get("error") or "")[:500]}


def fetched(run: Run, directory: str = FETCHED) -> list[dict[str, Any]] | None:
    """When mailboxes elsewhere were reached last."""
    _code, said = run(*_LIST_FILES, "fetchmail@*")
    _code, loaded = run(
        "systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", "fetchmail@*.service"
    )
    states = {line.split()[0]: line.split()[2] for line in loaded.splitlines() if len(line.split()) > 2}
    names = {*re.findall(r"^(fetchmail@[^.\s]\S*\.service)", said, re.MULTILINE), *states}
    found = []
    for unit in sorted(names):
        name = unit.removeprefix("fetchmail@").removesuffix(".service")
        reached = None
        with contextlib.suppress(OSError):
            reached = os.stat(f"{directory}/{name}/reached").st_mtime
        found.append({"name": name, "state": states.get(unit, "inactive"), "reached": reached})
    return found or None


def bans(run: Run, since: float, database: str = BANS) -> dict[str, Any] | None:
    """Who is banned now, and how many were since a moment, by jail."""
    if not os.path.exists(database):
        return None
    code, said = run("fail2ban-client", "banned")
    try:
        now = {jail: len(addresses) for one in ast.literal_eval(said.strip()) for jail, addresses in one.items()}
    except (ValueError, SyntaxError, TypeError, AttributeError):
        return {"error": f"fail2ban does not say who is banned (it ended with {code})"}
    try:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            rows = connection.execute(
                "SELECT jail, count(*) FROM bans WHERE timeofban > ? AND jail != ? GROUP BY 1", (since, _PROOF)
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return {"error": f"{database}: {error}"}
    then = {str(jail): int(number) for jail, number in rows}
    names = sorted({*now, *then} - {_PROOF})
    return {
        "jails": [{"name": name, "banned": now.get(name, 0), "bans": then.get(name, 0)} for name in names],
        "error": "",
    }


def lists(run: Run) -> list[dict[str, Any]] | None:
    """The lists in DNS that are looked into, as the filters know them."""
    code, said = run("courier-mail", "lists")
    if code not in (0, 1):
        return None
    found = [match.groups() for match in map(_LIST.fullmatch, said.splitlines()) if match]
    return [
        {"zone": zone, "kind": kind, "ok": None if state == "not tested yet" else state == "well", "said": state}
        for zone, kind, state in found
    ]


def findings(run: Run) -> list[dict[str, Any]] | None:
    """What the watch of this host has found, where there is one."""
    found = _watch(run, "findings", "--json")
    if not isinstance(found, list):
        return None
    words = ("part", "subject", "state", "said", "since")
    return [{word: one.get(word) for word in words} for one in found if isinstance(one, dict)]


def reports(run: Run, days: int) -> dict[str, Any] | None:
    """What others report of our mail, where somebody collects it."""
    found = _watch(run, "reports", "--json", "--days", str(days))
    return found if isinstance(found, dict) else None


def _watch(run: Run, *arguments: str) -> Any:
    # As the user whose files these are: what root opens in SQLite may be root's afterwards.
    code, said = run("runuser", "-u", "courier-mail-watch", "--", "courier-mail-watch", *arguments)
    try:
        # The code may say that something is wrong, which is what was asked.
        return json.loads(said) if said else None
    except ValueError:
        return None if code else {"error": said[:200]}


def places(paths: Sequence[str] = _PLACES) -> list[dict[str, Any]]:
    """How full the file systems are that mail needs."""
    found: dict[int, dict[str, Any]] = {}
    for path in paths:
        try:
            device, seen = os.stat(path).st_dev, os.statvfs(path)
        except OSError:
            continue
        if seen.f_blocks and device not in found:
            inodes = 1 - seen.f_favail / seen.f_files if seen.f_files else 0.0
            found[device] = {
                "path": path,
                "bytes": seen.f_frsize * seen.f_blocks,
                "used": round(1 - seen.f_bavail / seen.f_blocks, 4),
                "inodes": round(inodes, 4),
            }
    return list(found.values())
