# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one release of Debian to the next: what apt says of it, and what speaks against it. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

OLD, NEW = "bookworm", "trixie"
# Until this one, a server of SSH that is upgraded lets nobody in any more.
SSH = "1:9.2p1-2+deb12u7"
# Architectures of Debian 12 for which there is no Debian 13, or none that runs by itself.
LEFT_BEHIND = ("armel", "i386", "mips64el", "mipsel")

# What `apt-get indextargets` is to print of each index.
TARGET_FORMAT = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(SOURCESENTRY)"

# deb [options] URI bookworm-security main
_LINE = re.compile(
    rf"^(?P<before>\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+){OLD}(?P<after>(?:-\S*)?(?:\s.*)?)$"
)
_SUITES = re.compile(r"^Suites:.*(?:\n[ \t].*)*", re.MULTILINE | re.IGNORECASE)
_URIS = re.compile(r"^URIs:(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)
_SUITE = re.compile(rf"(?<![^\s:]){OLD}(?=[-\s]|\Z)")

_STEP = re.compile(r"^(Inst|Remv) (\S+)(?: \[(\S+)\])?", re.MULTILINE)
_GET = re.compile(r"^Need to get ([\d.,]+) ([kMGT]?B)", re.MULTILINE)
_USE = re.compile(r"^After this operation, ([\d.,]+) ([kMGT]?B) (of additional|disk space will be freed)", re.MULTILINE)
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Target(NamedTuple):
    """An index that apt has packages from."""

    origin: str
    codename: str
    uri: str
    file: str

    @property
    def is_debian(self) -> bool:
        return self.origin == "Debian"


class Steps(NamedTuple):
    """What apt would do, by packages."""

    upgraded: list[str]
    installed: list[str]
    removed: list[str]


class Space(NamedTuple):
    """What a file system has to hold, and has left, in bytes."""

    mount: str
    needed: int
    free: int


class Limits(NamedTuple):
    """What the operator demands, or lets pass."""

    memory: int  # bytes
    queue: int  # messages
    clock: float  # seconds
    backup: float  # hours; 0 demands none
    kept: Sequence[str] = ()  # sources, files with pins, and held packages
    needed: Sequence[str] = ()  # packages that may not be removed, with * for anything


class Found(NamedTuple):
    """What the host has."""

    architecture: str
    targets: Sequence[Target]
    targets_after: Sequence[Target]
    steps: Steps
    spaces: Sequence[Space]
    pending: int  # updates of the old release
    old_ssh: bool  # older than SSH above
    held: Sequence[str]
    pins: Sequence[str]
    broken: str  # what dpkg --audit says
    memory: int
    queue: int
    clock: float  # seconds by which it differs
    backup: float | None  # hours since the last


def targets(text: str) -> list[Target]:
    """What apt-get indextargets has printed, each once."""
    found = dict.fromkeys(tuple(line.split("|")) for line in text.splitlines() if line.count("|") == 3)
    return [
        Target(origin, codename, uri.rstrip("/"), re.sub(r":\d+$", "", entry)) for origin, codename, uri, entry in found
    ]


def rewritten(text: str, uris: Collection[str]) -> str:
    """A file of sources, in either format, with the new release in the place of the old where Debian is meant."""
    known = {uri.rstrip("/") for uri in uris}
    if not re.search(r"^Types:", text, re.MULTILINE | re.IGNORECASE):
        lines = (_LINE.sub(lambda found: _line(found, known), line) for line in text.split("\n"))
        return "\n".join(lines)
    stanzas = re.split(r"(\n[ \t]*\n)", text)
    return "".join(_stanza(stanza, known) for stanza in stanzas)


def steps(text: str) -> Steps:
    """What apt-get --simulate says it would do."""
    found = Steps([], [], [])
    for verb, name, version in _STEP.findall(text):
        (found.removed if verb == "Remv" else found.upgraded if version else found.installed).append(name)
    return found


def sizes(text: str) -> tuple[int, int]:
    """The bytes that apt-get has to download, and those that are more afterwards; below 0 are fewer."""
    get, use = _GET.search(text), _USE.search(text)
    more = _bytes(use[1], use[2]) * (1 if use[3].startswith("of") else -1) if use else 0
    return (_bytes(get[1], get[2]) if get else 0), more


def together(wants: Iterable[tuple[str, int]], free: Mapping[str, int]) -> list[Space]:
    """What each file system has to hold, where several things may go to the same."""
    needed: dict[str, int] = {}
    for mount, size in wants:
        needed[mount] = needed.get(mount, 0) + size
    return [Space(mount, size, free[mount]) for mount, size in needed.items()]


def refusals(found: Found, limits: Limits) -> list[str]:
    """What speaks against it, each with what to do."""
    return [
        *_of_packages(found, limits),
        *_of_sources(found, limits),
        *_of_room(found, limits),
        *_of_state(found, limits),
    ]


def _of_packages(found: Found, limits: Limits) -> Iterable[str]:
    if found.architecture in LEFT_BEHIND:
        yield f"the architecture is {found.architecture}, for which there is no Debian 13; move to another host"
    if found.broken:
        yield f"packages are half installed: {_short(found.broken)}; finish them with: dpkg --configure -a"
    if found.pending:
        yield f"{found.pending} updates of Debian 12 wait; install them: apt-get update && apt-get full-upgrade"
    if found.old_ssh:
        yield f"openssh-server is older than {SSH}, and would let nobody in if this is cut off; upgrade it first"
    held = [name for name in found.held if name not in limits.kept]
    if held:
        yield f"packages are held: {', '.join(held)}; release them (apt-mark unhold), or name them in upgrade_kept"
    gone = [name for name in found.steps.removed if any(fnmatchcase(name, pattern) for pattern in limits.needed)]
    if gone:
        yield f"apt would remove {', '.join(gone)}, which mail needs; see why with: apt-get --simulate full-upgrade"


def _of_sources(found: Found, limits: Limits) -> Iterable[str]:
    foreign = sorted({one.uri for one in found.targets if not one.is_debian} - set(limits.kept))
    if foreign:
        yield (
            f"packages come from elsewhere too: {', '.join(foreign)}; take these sources away until Debian 13 is here, "
            "or name those that serve it as they are written in upgrade_kept"
        )
    pins = [path for path in found.pins if path not in limits.kept]
    if pins:
        yield (
            f"apt prefers some packages: {', '.join(pins)}; take these files away, or name those that are right for "
            "Debian 13 in upgrade_kept"
        )
    debian = [one for one in found.targets_after if one.is_debian]
    still = sorted({one.file for one in debian if not one.codename.startswith(NEW)})
    if still:
        yield f"{', '.join(still)} would still name Debian 12; write the release as {OLD} there, which becomes {NEW}"
    elif not any(one.codename == NEW for one in debian):
        yield f"no source would name Debian 13; write the release as {OLD} in /etc/apt/sources.list"


def _of_room(found: Found, limits: Limits) -> Iterable[str]:
    for mount, needed, free in found.spaces:
        if free < needed:
            yield (
                f"{mount} has {_megabytes(free)} MB free, and {_megabytes(needed)} are needed; make room there, "
                "for example with: apt-get clean"
            )
    if found.memory < limits.memory:
        yield (
            f"{_megabytes(found.memory)} MB of memory are free, and {_megabytes(limits.memory)} are needed; "
            "stop what is not needed, or add swap"
        )


def _of_state(found: Found, limits: Limits) -> Iterable[str]:
    if abs(found.clock) > limits.clock:
        yield (
            f"the clock of the host differs from the controller's by {abs(found.clock):.0f} seconds; "
            "set it right, for example with systemd-timesyncd"
        )
    if found.queue > limits.queue:
        yield (
            f"{found.queue} messages are in the queue; see why they wait (mailq), or raise upgrade_queue, "
            f"which is {limits.queue}"
        )
    if limits.backup and found.backup is None:
        yield (
            "no backup of this host is known; make one with courier.mail.backup, or write upgrade_backup_hours: 0 "
            "if you have another"
        )
    elif limits.backup and found.backup is not None and found.backup > limits.backup:
        yield (
            f"the last backup is {found.backup:.0f} hours old, and upgrade_backup_hours is {limits.backup:g}; "
            "make one with courier.mail.backup"
        )


def _line(found: re.Match[str], known: Collection[str]) -> str:
    if found["uri"].rstrip("/") not in known:
        return found[0]
    return f"{found['before']}{NEW}{found['after']}"


def _stanza(text: str, known: Collection[str]) -> str:
    uris = {uri.rstrip("/") for found in _URIS.findall(text) for uri in found.split()}
    if not uris & set(known):
        return text
    return _SUITES.sub(lambda found: _SUITE.sub(NEW, found[0]), text)


def _bytes(number: str, unit: str) -> int:
    return round(float(number.replace(",", "")) * _UNITS[unit])


def _megabytes(size: int) -> int:
    return round(size / 10**6)


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
