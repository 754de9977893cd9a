"""What people notice while strangers connect, idle, guess passwords and send spam: nothing but a longer wait.

Strangers have addresses that the demo never bans (mail_admin_networks), so they go on to the end.
"""

from __future__ import annotations

import imaplib
import itertools
import json
import re
import secrets
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.bench.bed import Figure
from tests.bench.delivery import PATIENCE, Server
from tests.bench.strangers import trusting_anybody

STRANGERS = 40
PEOPLE = 10
SECONDS = 60
PAUSE = 1.0  # of each of the people, after each message sent or looked for
KINDS = ("idle", "guess_smtp", "guess_imap", "spam")


class Waits(NamedTuple):
    """Seconds of one thing that people do."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        worst = max(self.seconds)
        return f"{self.median * 1000:.0f} ms, at most {worst * 1000:.0f} ms, {len(self.seconds)} times"


class People:
    """Who sends on 587 and reads on 993, the accounts in turn. Whatever goes wrong for them is raised."""

    def __init__(self, server: Server, passwords: Mapping[str, str]) -> None:
        self._server, self._address, self._passwords = server, server.address, passwords
        self.sent: list[str] = []

    def work(self, seconds: float) -> tuple[Waits, Waits]:
        """Half of them send and half of them read for a while. Returns how long sending took, and reading."""
        until = time.monotonic() + seconds
        accounts = list(itertools.islice(itertools.cycle(self._passwords), PEOPLE))
        ways: Sequence[Callable[[str], None]] = [
            self._send if number < PEOPLE // 2 else self._read for number in range(PEOPLE)
        ]
        with ThreadPoolExecutor(PEOPLE) as pool:
            waits = list(pool.map(lambda way, account: self._repeat(way, account, until), ways, accounts))
        sending, reading = waits[: PEOPLE // 2], waits[PEOPLE // 2 :]
        return Waits([*itertools.chain(*sending)]), Waits([*itertools.chain(*reading)])

    def lost(self) -> set[str]:
        """What was sent and is in no mailbox, when it had time to get there."""
        end = time.monotonic() + PATIENCE
        while (missing := set(self.sent) - self._arrived()) and time.monotonic() < end:
            time.sleep(0.5)
        return missing

    def _arrived(self) -> set[str]:
        texts = (file.read_bytes() for folder in self._server.folders if folder.exists() for file in folder.iterdir())
        return {
            line.split()[1].decode() for text in texts for line in text.splitlines() if line.startswith(b"X-Bench: ")
        }

    @staticmethod
    def _repeat(way: Callable[[str], None], account: str, until: float) -> list[float]:
        waits = []
        while (start := time.monotonic()) < until:
            way(account)
            waits.append(time.monotonic() - start)
            time.sleep(PAUSE)
        return waits

    def _send(self, account: str) -> None:
        token = secrets.token_hex(12)
        with smtplib.SMTP(self._address, 587, "people.example.net", timeout=PATIENCE) as smtp:
            smtp.starttls(context=trusting_anybody())
            smtp.login(account, self._passwords[account])
            smtp.sendmail(account, [account], f"From: {account}\r\nSubject: s\r\nX-Bench: {token}\r\n\r\nHello\r\n")
        self.sent.append(token)

    def _read(self, account: str) -> None:
        with imaplib.IMAP4_SSL(self._address, ssl_context=trusting_anybody(), timeout=PATIENCE) as imap:
            imap.login(account, self._passwords[account])
            _said, (number,) = imap.select(readonly=True)
            if int(number or 0):
                imap.fetch(number.decode(), "(BODY.PEEK[])")


def flood(strangers: str, server: Server, seconds: float) -> subprocess.Popen[str]:
    """Let strangers begin, who have addresses of their own on a host of the bed. `communicate` waits for their end."""
    network = server.address.rpartition(".")[0]
    sources = [f"{network}.{number}" for number in range(60, 60 + STRANGERS)]
    inside = ["docker", "exec", "-i", strangers]
    add = "for one in $@; do ip address add $one/24 dev eth0 2>/dev/null || true; done"
    subprocess.run([*inside, "sh", "-c", add, "sh", *sources], check=True)
    program = Path(__file__).with_name("strangers.py").read_text()
    return subprocess.Popen(
        [*inside, "python3", "-c", program, server.address, str(seconds), *sources], stdout=subprocess.PIPE, text=True
    )


def figures(server: Server, strangers: str, passwords: Mapping[str, str], seconds: float = SECONDS) -> list[Figure]:
    """How long people wait, without strangers and with them. Ends the program when anything of theirs goes wrong."""
    people = People(server, passwords)
    before = people.work(seconds / 2)
    bothering = flood(strangers, server, seconds)
    during = people.work(seconds)
    said, _nothing = bothering.communicate(timeout=seconds + 2 * PATIENCE)
    if bothering.returncode:
        sys.exit("the strangers did not get through their minute")
    did = json.loads(said)
    # An answer is a number, and no answer the name of an error.
    if missing := [kind for kind in KINDS if not any(re.fullmatch(rf"{kind}(: \d+)?", what) for what in did)]:
        sys.exit(f"no stranger got to {', '.join(missing)}: {did}")
    if lost := people.lost():
        sys.exit(f"{len(lost)} of {len(people.sent)} messages are lost")
    print(f"strangers: {did}", file=sys.stderr)
    return [
        Figure(
            f"{STRANGERS} strangers for {seconds:.0f} s: {what}", str(now), f"without them {then}",
            f"{now.median / then.median:.1f}", "no failure, nothing lost",
        )
        for what, now, then in zip(("sending on 587", "reading on 993"), during, before, strict=True)
    ]  # fmt: skip
