# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask fail2ban whether it bans: a ban that nobody feels reaches the firewall and leaves it, and all others are there.

fail2ban runs happily without a jail, without nft, with a firewall that somebody has emptied, and with jails that the
journal does not come to. Those of ours know a line that is written there for this, and note that they ignore it.
"""

from __future__ import annotations

import functools
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

# The jail that nothing leads into, and what writes that line.
PROOF = "courier-proof"
_TABLE = ("inet", "f2b-table")
_LOG = "/var/log/fail2ban.log"
_PATIENCE = 8.0  # seconds for a ban to reach the firewall; fail2ban looks once a second

Say = Callable[..., tuple[int, str]]


class NotBanned(Exception):
    """What was expected and what came, as the second half of a sentence."""


def prove_bans(jails: Sequence[str], socket: str) -> str:
    """Ban and let in again. Returns what that proved, or raises NotBanned."""
    programs = ("fail2ban-client", "-s", socket), ("nft",), ("logger", "--tag", PROOF)
    client, nft, logger = (functools.partial(_run, *program) for program in programs)
    return prove(jails, client, nft, logger)


def prove(jails: Sequence[str], client: Say, nft: Say, logger: Say, log: str = _LOG) -> str:
    """The same with the programs, and what fail2ban writes, given."""
    code, said = client("ping")
    if code != 0 or "pong" not in said:
        raise NotBanned(f"ping should be answered with pong, and there came {said!r}")
    running = set(re.split(r"[,\s]+", client("status")[1].rpartition("Jail list:")[2].strip()))
    if missing := [name for name in (PROOF, *jails) if name not in running]:
        raise NotBanned(f"the jails {', '.join(missing)} should be there, and are not")
    listening = _listening(jails, client)
    heard = _Heard(Path(log))
    if listening:
        logger(heard.address)
    host = 1 + secrets.randbelow(254)
    for address in (f"192.0.2.{host}", f"2001:db8::{host:x}"):
        for verb, there, otherwise in (("banip", True, "does not reach"), ("unbanip", False, "does not leave")):
            client("set", PROOF, verb, address)
            felt = functools.partial(_in_firewall, nft, PROOF, address)
            _wait(felt, f"a ban of {address} {otherwise} the firewall", until=there)
    for name in jails:
        for address in client("get", name, "banip")[1].split():
            if not _in_firewall(nft, name, address) and address in client("get", name, "banip")[1].split():
                raise NotBanned(
                    f"the ban of {address} by {name} is not in the firewall, which somebody has emptied; "
                    "systemctl restart fail2ban brings back all of them"
                )
    for name in listening:
        _wait(functools.partial(heard.by, name), f"what is logged does not come to the jail {name}")
    return f"bans for IPv4 and IPv6, jails {', '.join(jails)}"


class _Heard:
    """What was said of an address of this host, which nobody bans, since now."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._before = log.stat().st_size if log.exists() else 0
        self.address = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"

    def by(self, jail: str) -> bool:
        with suppress(FileNotFoundError), self._log.open("rb") as stream:
            if self._log.stat().st_size >= self._before:  # else it was rotated meanwhile
                stream.seek(self._before)
            return f"[{jail}] Ignore {self.address} by ".encode() in stream.read()
        return False


def _listening(jails: Sequence[str], client: Say) -> list[str]:
    """The jails that read that line in the journal, if fail2ban is not too quiet to say so."""
    if not re.search("INFO|DEBUG", client("get", "loglevel")[1]):
        return []
    return [name for name in jails if f"SYSLOG_IDENTIFIER={PROOF}" in client("get", name, "journalmatch")[1]]


def _in_firewall(nft: Say, jail: str, address: str) -> bool:
    family = "addr6" if ":" in address else "addr"
    return nft("get", "element", *_TABLE, f"{family}-set-{jail}", f"{{ {address} }}")[0] == 0


def _wait(asked: Callable[[], bool], otherwise: str, *, until: bool = True) -> None:
    deadline = time.monotonic() + _PATIENCE
    while asked() != until:
        if time.monotonic() > deadline:
            raise NotBanned(f"{otherwise}; {_LOG} says why")
        time.sleep(0.1)


def _run(*command: str) -> tuple[int, str]:
    try:
        done = subprocess.run(  # noqa: S603 -- fail2ban-client and nft
            command, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBanned(f"{command[0]} cannot be asked: {error}") from error
    return done.returncode, (done.stdout + done.stderr).strip()
