# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask fail2ban whether it bans: a ban that nobody feels reaches the firewall and leaves it, and all others are there.

fail2ban runs happily without a jail, without nft, and with a firewall that somebody has emptied.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence

# The jail that nothing leads into.
PROOF = "courier-proof"
_TABLE = ("inet", "f2b-table")
_PATIENCE = 8.0  # seconds for a ban to reach the firewall; fail2ban looks once a second

Say = Callable[..., tuple[int, str]]


class NotBanned(Exception):
    """What was expected and what came, as the second half of a sentence."""


def prove_bans(jails: Sequence[str], socket: str) -> str:
    """Ban and let in again. Returns what that proved, or raises NotBanned."""
    return prove(jails, lambda *said: _run("fail2ban-client", "-s", socket, *said), lambda *said: _run("nft", *said))


def prove(jails: Sequence[str], client: Say, nft: Say) -> str:
    """The same with the two programs given."""
    code, said = client("ping")
    if code != 0 or "pong" not in said:
        raise NotBanned(f"ping should be answered with pong, and there came {said!r}")
    running = set(re.split(r"[,\s]+", client("status")[1].rpartition("Jail list:")[2].strip()))
    if missing := [name for name in (PROOF, *jails) if name not in running]:
        raise NotBanned(f"the jails {', '.join(missing)} should be there, and are not")
    host = 1 + secrets.randbelow(254)
    for address in (f"192.0.2.{host}", f"2001:db8::{host:x}"):
        for verb, there, otherwise in (("banip", True, "does not reach"), ("unbanip", False, "does not leave")):
            client("set", PROOF, verb, address)
            _wait(nft, address, there, f"a ban of {address} {otherwise} the firewall")
    for name in jails:
        for address in client("get", name, "banip")[1].split():
            if not _in_firewall(nft, name, address) and address in client("get", name, "banip")[1].split():
                raise NotBanned(
                    f"the ban of {address} by {name} is not in the firewall, which somebody has emptied; "
                    "systemctl restart fail2ban brings back all of them"
                )
    return f"bans for IPv4 and IPv6, jails {', '.join(jails)}"


def _in_firewall(nft: Say, jail: str, address: str) -> bool:
    family = "addr6" if ":" in address else "addr"
    return nft("get", "element", *_TABLE, f"{family}-set-{jail}", f"{{ {address} }}")[0] == 0


def _wait(nft: Say, address: str, there: bool, otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _in_firewall(nft, PROOF, address) != there:
        if time.monotonic() > deadline:
            raise NotBanned(f"{otherwise}; /var/log/fail2ban.log says why")
        time.sleep(0.1)


def _run(*command: str) -> tuple[int, str]:
    try:
        done = subprocess.run(  # noqa: S603 -- fail2ban-client and nft
            command, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBanned(f"{command[0]} cannot be asked: {error}") from error
    return done.returncode, (done.stdout + done.stderr).strip()
