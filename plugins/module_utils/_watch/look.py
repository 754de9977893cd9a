# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch look: what only root can see of this host, for the other parts.

It is short, calls nobody beyond this host, and judges nothing. What it saw is one file of JSON, in a directory that is
root's. What it cannot see is null, with the reason in `errors`.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _places, _queue
from ._exit import CONFIGURATION, UNAVAILABLE
from ._host_settings import UNITS, Settings
from ._settings import SettingsError
from ._sqlite import reading

PART = "host"
SEEN = "/run/courier-mail-watch-look/seen.json"

FILTERS = "/var/lib/pythonfilter/courier_mail.sqlite"
LISTS = "/var/lib/pythonfilter/lists.json"
DENIED = "/etc/courier/smtpaccess/filtered"
OWN_LISTS = "/var/lib/courier-rbldnsd"
BANS = "/var/lib/fail2ban/fail2ban.sqlite3"
FETCHED = "/etc/fetchmail/*.json"
REACHED = "/var/lib/fetchmail/{}/reached"
BACKUP = "/var/lib/courier-mail-backup/state.json"
UPGRADE = "/var/lib/courier-mail-upgrade/state.json"
# Where those answer who must, what they are asked, and how the answer begins. A socket that is not there is that of a
# part that does not run here.
SOCKETS = {
    "authdaemon": ("/run/courier/authdaemon/socket", b"PRE . courier-mail-watch nobody@invalid\n", b"FAIL"),
    "clamd": ("/run/clamav/clamd.ctl", b"zPING\0", b"PONG"),
}
# Where those would take a question without a message for a mistake, or write lines about it. systemd or they themselves
# hold the sockets, so what tells that nobody answers is the number of those who wait.
QUEUES = {
    "filters": "/var/lib/courier/allfilters/pythonfilter",
    "zdkimfilter": "/var/lib/courier/allfilters/000-zdkimfilter",
    "forward": "/run/courier-forward/socket",
    "spamd": "/run/spamd/spamd.sock",
}
_SECONDS = 5.0  # for a socket
_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts")
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_MOST = 1 << 20  # bytes of a file that others write


def main(_arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    try:
        seen = look(_places.settings(PART, Settings), time.time())
        _write(SEEN, seen)
    except SettingsError as error:
        sys.stderr.write(f"courier-mail-watch: {error}\n")
        return CONFIGURATION
    except OSError as error:
        sys.stderr.write(f"courier-mail-watch: {error}\n")
        return UNAVAILABLE
    for what, said in seen["errors"].items():
        sys.stderr.write(f"courier-mail-watch: {what} could not be seen: {said}\n")
    return 0


def look(settings: Settings, now: float) -> dict[str, Any]:
    """Everything. Nothing that cannot be seen hides the rest."""
    looks: Mapping[str, Callable[[], Any]] = {
        "queue": lambda: _queue.look(now) if os.path.isdir(_queue.DIRECTORY) else None,
        "units": lambda: units(sorted({*UNITS, *settings.units, *_fetching()})),
        "failed": failed,
        "sockets": sockets,
        "backlogs": backlogs,
        "certificates": lambda: {path: expires(path) for path in settings.certificates if os.path.exists(path)},
        "room": lambda: {path: room(path) for path in settings.directories if os.path.isdir(path)},
        "held": held,
        "denied": denied,
        "own_lists": own_lists,
        "lists": lambda: _json(LISTS),
        "bans": lambda: bans(now),
        "fetched": fetched,
        "backup": lambda: _json(BACKUP),
        "upgrade": upgrade,
    }
    seen: dict[str, Any] = {"at": now, "errors": {}}
    for what, see in looks.items():
        try:
            seen[what] = see()
        except Exception as error:  # whatever it is, it is said, and the rest is seen
            seen[what] = None
            seen["errors"][what] = f"{type(error).__name__}: {error}"[:300]
    return seen


def units(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Those that start at boot: whether they run, and how often systemd has started them again."""
    found = {}
    for properties in _show(names):
        if properties.get("LoadState") == "loaded" and properties.get("UnitFileState") == "enabled":
            found[properties["Id"]] = {
                # What dies at each start is activating most of the time.
                "state": "restarting" if properties["SubState"] == "auto-restart" else properties["ActiveState"],
                "restarts": int(properties.get("NRestarts") or 0),
            }
    return found


def failed() -> list[str]:
    """Units that systemd gave up, whichever they are."""
    said = _said("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager", "--full")
    return sorted(line.split()[0] for line in said.splitlines() if line.strip())


def sockets() -> dict[str, bool]:
    """Whether somebody answers."""
    return {name: _answers(*about) for name, about in SOCKETS.items() if os.path.exists(about[0])}


def backlogs() -> dict[str, int]:
    """How many wait that somebody takes what they have."""
    wanted = {path: name for name, path in QUEUES.items() if os.path.exists(path)}
    if not wanted:
        return {}
    found = dict.fromkeys(wanted.values(), 0)
    for line in _said("ss", "--unix", "--listening", "--no-header", "--numeric").splitlines():
        words = line.split()
        if len(words) > 4 and words[4] in wanted:
            found[wanted[words[4]]] += int(words[2])
    return found


def expires(path: str) -> float:
    """When the first of the certificates in a file that ends does: the world needs all of them."""
    with open(path, encoding="ascii", errors="replace") as stream:
        found = _CERTIFICATE.findall(stream.read(_MOST))
    if not found:
        raise ValueError(f"{path} has no certificate")
    return min(map(_ends, found))


def room(path: str) -> dict[str, int]:
    """Space and inodes of a file system, as those see it who are not root. Some have no number of inodes."""
    seen = os.statvfs(path)
    return {
        "size": seen.f_blocks * seen.f_frsize,
        "free": seen.f_bavail * seen.f_frsize,
        "inodes": seen.f_files,
        "free_inodes": seen.f_favail,
    }


def held() -> int | None:
    """How many senders there are whose mail waits because there was too much of it."""
    if not os.path.exists(FILTERS):
        return None
    return int(_select(FILTERS, "SELECT count(*) FROM holds")[0][0])


def denied() -> int | None:
    """How many sources the filters have refused."""
    return _lines(DENIED) if os.path.exists(DENIED) else None


def own_lists() -> dict[str, int] | None:
    """How many entries our own lists have."""
    if not os.path.isdir(OWN_LISTS):
        return None
    found = {}
    for kind in ("block", "allow"):
        paths = glob.glob(f"{OWN_LISTS}/{kind}[46].listed")
        if paths:
            found[kind] = sum(map(_lines, paths))
    return found


def bans(now: float) -> dict[str, int] | None:
    """How many addresses each jail of fail2ban keeps out."""
    if not os.path.exists(BANS):
        return None
    query = "SELECT jail, count(DISTINCT ip) FROM bips WHERE bantime < 0 OR timeofban + bantime > ? GROUP BY jail"
    return {str(jail): int(number) for jail, number in _select(BANS, query, (now,))}


def fetched() -> dict[str, float]:
    """When mailboxes elsewhere were reached, or since when they are to be. A connection that waits for mail says
    nothing until it ends."""
    found = {}
    for path in glob.glob(FETCHED):
        name = os.path.basename(path).removesuffix(".json")
        if not (_json(path) or {}).get("idle"):
            reached = REACHED.format(name)
            found[name] = os.stat(reached if os.path.exists(reached) else path).st_mtime
    return found


def upgrade() -> dict[str, Any] | None:
    """How far an upgrade of the release came, and since when it is there."""
    said = _json(UPGRADE)
    return {"stage": str(said.get("stage")), "at": os.stat(UPGRADE).st_mtime} if isinstance(said, dict) else None


def _fetching() -> list[str]:
    return [f"fetchmail@{os.path.basename(path).removesuffix('.json')}.service" for path in glob.glob(FETCHED)]


def _ends(certificate: str) -> float:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate"],  # noqa: S607 -- where Debian has it
        input=certificate,
        capture_output=True,
        text=True,
        check=True,
        timeout=_SECONDS,
    )
    return float(ssl.cert_time_to_seconds(done.stdout.strip().removeprefix("notAfter=")))


def _answers(path: str, question: bytes, answer: bytes) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(path)
            client.sendall(question)
            return client.recv(64).startswith(answer)
        except OSError:
            return False


def _show(names: Sequence[str]) -> list[dict[str, str]]:
    said = _said("systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *names)
    return [
        dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        for paragraph in said.strip().split("\n\n")
    ]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout  # noqa: S603 -- ours


def _select(path: str, query: str, values: Sequence[float] = ()) -> list[tuple[Any, ...]]:
    # Never makes a file of its own beside that of others.
    with contextlib.closing(reading(path, 2.0)) as database:
        return database.execute(query, tuple(values)).fetchall()


def _lines(path: str) -> int:
    """Lines that say something."""
    with open(path, "rb") as stream:
        return sum(not line.startswith((b"#", b"$", b":", b"\n")) for line in stream)


def _json(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as stream:
            return json.loads(stream.read(_MOST))
    except FileNotFoundError:
        return None


def _write(path: str, seen: Mapping[str, Any]) -> None:
    """All of it or nothing, for those who may read the directory."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(seen, stream)
        os.chmod(temporary, 0o640)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
