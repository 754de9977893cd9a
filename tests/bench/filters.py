"""What it costs to look into mail, beside a Postfix whose milters ask a clamd and a spamd of the same kind.

Each of the two hosts has a clamd and a spamd of its own, set up by the same roles with the same rules, signatures and
numbers of processes, and filters as it can.
"""

from __future__ import annotations

import email
import json
import smtplib
import statistics
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from email.message import Message
from pathlib import Path
from typing import NamedTuple

from plugins.module_utils._filter_probe import EICAR
from plugins.module_utils._filters.attachments import Settings as Attachments
from tests.bench.bed import Figure, inside, mebibytes, play, processor_seconds
from tests.bench.corpus import letters, with_file
from tests.bench.delivery import (
    PATIENCE,
    SENDER,
    SESSIONS,
    Server,
    messages_per_second,
    seconds_per_message,
    session,
)

ROUNDS = 3
# What Postfix is told.
PROGRAMS = "mime_header_checks=regexp:/etc/postfix/programs"
CLAMD = "unix:milters/clamav.sock"
SPAMD = "unix:milters/spamass.sock"


class Case(NamedTuple):
    """Who looks, here and there."""

    what: str
    other: str
    modules: list[str] | None  # None: what the role does by itself
    settings: Sequence[str]  # of Postfix
    messages: int
    sees: frozenset[str]  # virus, program, spam
    aim: str = ""


# spamd sees viruses as well: a plugin of it asks clamd.
CASES = [
    Case("no filter", "no milter", [], [], 500, frozenset()),
    Case("attachments", "mime_header_checks", ["attachments"], [PROGRAMS], 500, frozenset({"program"})),
    Case("clamd", "clamav-milter", ["clamd"], [f"smtpd_milters={CLAMD}"], 300, frozenset({"virus"})),
    Case("spamd", "spamass-milter", ["spamd"], [f"smtpd_milters={SPAMD}"], 100, frozenset({"spam", "virus"}), "≥ 1.5"),
    Case(
        "the chain as it is", "all three", None, [PROGRAMS, f"smtpd_milters={CLAMD} {SPAMD}"], 100,
        frozenset({"program", "virus", "spam"}), "≥ 1.5",
    ),
]  # fmt: skip


# Filters of ours that ask no scanner. Each is timed by itself.
ALONE = (
    "log", "smuggling", "authenticate", "noduplicates", "sender_login", "room", "rate", "spamtrap", "dnsbl", "big_mail",
    "repair", "dkim_sign",
)  # fmt: skip
# What refuses, the quickest first, as in the chain.
REFUSING = ["clamd", "attachments", "spamd"]


class Measured(NamedTuple):
    """What one server did, as medians of the rounds."""

    speed: float  # messages a second, with 10 sessions
    processor: float  # seconds of all its processes for each of them
    wait: float  # seconds from MAIL FROM until it has a message, with one session

    def __str__(self) -> str:
        return f"{self.speed:.1f}/s, wait {self.wait * 1000:.0f} ms, CPU {self.processor * 1000:.0f} ms"


class Memory(NamedTuple):
    """In MiB."""

    idle: float  # after mail came
    busy: float  # at most, while it comes

    def __str__(self) -> str:
        return f"{self.idle:.0f} MiB idle, {self.busy:.0f} MiB under load"


def set_up(case: Case) -> None:
    """Let both filter like this."""
    if case.modules != []:  # as it is already
        choose(case.modules)
    inside("peer.example.net", "postconf", "-e", "mime_header_checks=", "smtpd_milters=", *case.settings)
    inside("peer.example.net", "postfix", "reload")


def choose(modules: list[str] | None) -> None:
    """Let Courier filter like this; None is what the role does by itself."""
    chosen = {} if modules is None else {"pythonfilter_modules": modules}
    play("playbooks/filters.yml", "--limit=mail_servers", f"--extra-vars={json.dumps(chosen)}")


def must_look(server: Server, sees: frozenset[str]) -> None:
    """What is timed below has to be what it is called: what nobody looks into is quick."""
    run = f"must-look-{time.time_ns()}"
    tries = {
        "virus": with_file("letter.pdf", EICAR.encode(), run),
        "program": with_file("letter.exe", b"MZ", run),
    }
    for kind, message in tries.items():
        if _refused(server, message) != (kind in sees):
            sys.exit(f"{server.container}: a {kind} was {'let in' if kind in sees else 'refused'}")
    ham = _delivered(server, letters(1, run)[0])
    status = ham.get("X-Spam-Status", "")
    if status.startswith("No, score=") != ("spam" in sees):
        sys.exit(f"{server.container}: X-Spam-Status of ham is {status!r}")


def _refused(server: Server, message: bytes) -> bool:
    try:
        with session(server) as smtp:
            smtp.sendmail(SENDER, [next(iter(server.mailboxes))], message)
    except smtplib.SMTPDataError as error:
        if error.smtp_code < 500:
            sys.exit(f"{server.container} says {error.smtp_code} {error.smtp_error!r}")
        return True
    return False


def _delivered(server: Server, sent: bytes) -> Message:
    """The header of a message as it is in the mailbox."""
    wanted = email.message_from_bytes(sent)["Message-ID"].strip()
    with session(server) as smtp:
        smtp.sendmail(SENDER, [next(iter(server.mailboxes))], sent)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        files = sorted(
            (file for folder in server.folders if folder.exists() for file in folder.iterdir()), key=_changed
        )
        for file in files[-5:]:
            message = email.message_from_bytes(file.read_bytes())
            if message["Message-ID"].strip() == wanted:
                return message
        time.sleep(0.1)
    sys.exit(f"{server.container}: a message is not there")


def _changed(file: Path) -> float:
    return file.stat().st_mtime


def measure(case: Case, servers: Sequence[Server]) -> list[Measured]:
    """In turn, so that what else the machine does hits all."""
    for server in servers:
        must_look(server, case.sees)
    rounds = [[_once(server, case.messages) for server in servers] for _round in range(ROUNDS)]
    return [_median(column) for column in zip(*rounds, strict=True)]


def _median(rounds: Iterable[Measured]) -> Measured:
    return Measured(*map(statistics.median, zip(*rounds, strict=True)))


def _once(server: Server, messages: int) -> Measured:
    run = str(time.time_ns())
    before = processor_seconds(server.container)
    speed = messages_per_second(server, letters(messages, f"many-{run}"))
    processor = (processor_seconds(server.container) - before) / messages
    return Measured(speed, processor, seconds_per_message(server, letters(20, f"one-{run}")))


def alone(server: Server) -> list[Figure]:
    """What each of the others costs by itself, beside none at all just before."""

    def measured(modules: list[str]) -> Measured:
        choose(modules)
        return _median(_once(server, 300) for _round in range(ROUNDS))

    none = measured([])
    found = {name: measured([name]) for name in ALONE}
    return [
        Figure(f"filter {name} alone", str(one), f"none {none}", f"{one.processor / none.processor:.2f} CPU", "")
        for name, one in found.items()
    ]


def order(server: Server) -> list[Figure]:
    """What a refusal costs where the quick filters are asked first, beside the same filters the other way round.

    Without TARPIT, Courier's eight seconds before the answer.
    """

    def measured(modules: list[str]) -> dict[str, Refusal]:
        choose(modules)
        return {
            kind: _refusal(server, name, content)
            for kind, name, content in (("virus", "letter.pdf", EICAR.encode()), ("program", "letter.exe", b"MZ"))
        }

    quick, slow = measured(REFUSING), measured(REFUSING[::-1])
    return [
        Figure(
            f"refusal of a {kind}, {', '.join(REFUSING)}", str(quick[kind]), f"spamd first {slow[kind]}",
            f"{quick[kind].processor / slow[kind].processor:.2f} CPU", "",
        )
        for kind in quick
    ]  # fmt: skip


class Refusal(NamedTuple):
    wait: float  # seconds from the connection on, median
    processor: float  # seconds of all processes of the host

    def __str__(self) -> str:
        return f"wait {self.wait * 1000:.0f} ms, CPU {self.processor * 1000:.0f} ms"


def _refusal(server: Server, name: str, content: bytes, messages: int = 50) -> Refusal:
    before = processor_seconds(server.container)
    waits = []
    for number in range(messages):
        start = time.monotonic()
        if not _refused(server, with_file(name, content, f"refused-{number}-{time.time_ns()}")):
            sys.exit(f"{server.container}: {name} was let in")
        waits.append(time.monotonic() - start)
    return Refusal(statistics.median(waits), (processor_seconds(server.container) - before) / messages)


def memory(host: str, server: Server) -> Memory:
    """Of all that runs on a host."""
    idle = mebibytes(host)
    seen = [idle]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            seen.append(mebibytes(host))

    watcher = threading.Thread(target=watch)
    watcher.start()
    messages_per_second(server, letters(10 * SESSIONS, f"memory-{time.time_ns()}"))
    done.set()
    watcher.join()
    return Memory(idle, max(seen))


def figures(ours: Server, theirs: Server) -> list[Figure]:
    """What each filter costs, and all of them, here and there."""
    play("tests/bench/milters.yml", f"--extra-vars={json.dumps({'bench_programs': Attachments().extensions})}")
    found = []
    for case in CASES:
        set_up(case)
        courier, postfix = measure(case, (ours, theirs))
        found.append(
            Figure(
                f"filtered: {case.what}", str(courier), f"Postfix, {case.other} {postfix}",
                f"{courier.speed / postfix.speed:.2f}", case.aim,
            )
        )  # fmt: skip
    courier_memory, postfix_memory = memory("mail.example.com", ours), memory("peer.example.net", theirs)
    found.append(
        Figure(
            "memory of the whole host with that", str(courier_memory), f"the other {postfix_memory}",
            f"{courier_memory.idle / postfix_memory.idle:.2f}", "≤ 256 MB idle",
        )
    )  # fmt: skip
    return [*found, *alone(ours), *order(ours)]
