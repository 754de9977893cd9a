"""How long it takes to say what became of a message, in a journal with a million lines.

The journal is a real one, made by systemd-journal-remote. What it is compared with finds the lines that have a text,
and says nothing of the rest of the way. Without a bed, on a host that has systemd-journal-remote:

    python -m tests.bench.trace DIRECTORY
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from tests.bench.bed import Figure, inside

LINES = 1_000_000
ROUNDS = 3
AIM = "≤ 3 s"
T = 1795595675
MAKER = "/lib/systemd/systemd-journal-remote"
DIRECTORY = "/srv/bench-journal"
NUMBER = 50_001  # of the message that is looked for, which is in the middle and was let in


def number(message: int) -> str:
    return f"{message % 4096 + 0x20E000:018X}.{T + message // 16:016X}.{message % 30000 + 1000:08X}"


ASKED = {
    "Courier's id": [number(NUMBER)],
    "a Message-ID": [f"<{NUMBER}@example.net>"],
    "an address with one message": [f"ann{NUMBER}@example.net"],
    "an address with hundreds, the newest 20": ["user17@example.com"],
    "a client with hundreds, the newest 20": ["--host", "192.0.2.17"],
    "an address that nobody has": ["nobody@example.org"],
}


def entries(user: int) -> Iterator[bytes]:
    """The lines of a busy host, 16 messages a second, in journalctl's export format. A fifth is refused at RCPT."""
    count = message = 0
    while count < LINES:
        message += 1
        at = T * 1_000_000 + message * 62_500
        for identifier, process, said in lines(message):
            yield entry(at, count, identifier, process, user, said)
            at += 1
            count += 1


def entry(at: int, count: int, identifier: str, process: int, user: int, said: str) -> bytes:
    fields = {
        "__REALTIME_TIMESTAMP": at,
        "__MONOTONIC_TIMESTAMP": count + 1,
        "_BOOT_ID": "08e984decf034badadfe8e76c2e5b29c",
        "_MACHINE_ID": "6d9b0a9191494bcd84ecec7d3002ba2d",
        "_TRANSPORT": "syslog",
        "_HOSTNAME": "mail.example.com",
        "PRIORITY": 6,
        "SYSLOG_FACILITY": 2,
        "SYSLOG_IDENTIFIER": identifier,
        "_PID": process,
        "_UID": user,
        "_GID": user,
        "_COMM": identifier,
        "_EXE": f"/usr/lib/courier/{identifier}",
        "_SYSTEMD_UNIT": "courier.service",
        "MESSAGE": said,
    }
    return ("".join(f"{name}={value}\n" for name, value in fields.items()) + "\n").encode()


def lines(message: int) -> list[tuple[str, int, str]]:
    """What is logged of one message."""
    child, client = 1000 + message % 30000, f"192.0.2.{message % 250}"
    sender, recipient = f"ann{message}@example.net", f"user{message % 500}@example.com"
    came = ("courieresmtpd", child, f"started,ip=[::ffff:{client}],port=[{30000 + message % 30000}]")
    if message % 5 == 0:
        said = f"error,relay=::ffff:{client},port=3000,from=<{sender}>,to=<x{message}@example.com>: 550 User unknown"
        return [came, ("courieresmtpd", child, said)]
    one, head = number(message), f"from=<{sender}>"
    names = {"id": one, "message_id": f"<{message}@example.net>", "client": client, "tls": "TLS1.3"}
    names |= {"from": [sender], "written": [], "to": [recipient]}
    filters = ("log", "smuggling", "srs", "clamd", "attachments", "noduplicates", "sender_login", "rate", "dnsbl")
    judged = {"id": one, "from": sender, "to": [recipient], "written": [], "recipients": 1, "client": client}
    judged |= {"login": None, "source": "smtp", "size": 1270, "verdict": "pass", "reply": "", "seconds": 0.007}
    judged |= {"filters": dict.fromkeys(filters, "pass") | {"authenticate": "pass: spf=pass dkim=none dmarc=none"}}
    place = f"{recipient}!!5000!5000!/srv/vmail/example.com/user!!"
    idle = "Waiting.  shutdown time=none, wakeup time=none, queuedelivering=0, inprogress=0"
    return [
        came,
        ("pythonfilter", 700, f"courier_mail: {json.dumps(judged)}"),
        ("pythonfilter", 700, f"courier_mail_header: {json.dumps(names)}"),
        ("pythonfilter", 700, f"CPU TIME ACCOUNTING: {one} processed with 0.006848 seconds: (courier_mail(0.006694))"),
        ("courierd", 701, f"newmsg,id={one}: dns; mail.example.net (mail.example.net [::ffff:{client}])"),
        ("courierd", 701, f"started,id={one},{head},module=local,host={place},addr=<{recipient}>"),
        ("courierd", 701, idle),
        ("courierlocal", child + 1, f"id={one},{head},addr=<{recipient}>,size=509,success: Message delivered."),
        ("courierd", 701, f"completed,id={one}"),
        ("courierd", 701, idle),
    ]


def make(command: Sequence[str], user: int) -> None:
    """Have systemd-journal-remote write the journal, of lines by this user."""
    with subprocess.Popen(command, stdin=subprocess.PIPE) as maker:
        assert maker.stdin
        for one in entries(user):
            maker.stdin.write(one)
        maker.stdin.close()
    if maker.returncode:
        sys.exit(f"{shlex.join(command)} ended with {maker.returncode}")


def measured(run: Callable[..., object], mailtrace: Sequence[str], directory: str) -> list[Figure]:
    """A row for each question. In turn with the other, so that what else the machine does hits both."""
    figures = []
    for what, asked in ASKED.items():
        text = asked[-1].rpartition(".")[0] or asked[-1]
        grep = f"journalctl --directory={directory} --output=cat --no-pager --quiet | grep -cF -- {shlex.quote(text)}"
        ours, theirs = [], []
        for _round in range(ROUNDS):
            ours.append(_seconds(run, [*mailtrace, f"--directory={directory}", *asked]))
            theirs.append(_seconds(run, ["sh", "-c", grep]))
        mine, other = statistics.median(ours), statistics.median(theirs)
        compared = f"journalctl and grep {other:.1f} s"
        row = (f"mailtrace, {LINES:,} lines, {what}", f"{mine:.2f} s", compared, f"{mine / other:.2f}", AIM)
        figures.append(Figure(*row))
    return figures


def _seconds(run: Callable[..., object], command: Sequence[str]) -> float:
    start = time.monotonic()
    run(command)
    return time.monotonic() - start


def figures(host: str) -> list[Figure]:
    """On a host of the bench's bed."""

    def run(command: Sequence[str]) -> None:
        # Both end with 1 where nothing was found.
        inside(host, "sh", "-c", f"{shlex.join(command)} || test $? = 1")

    inside(host, "sh", "-c", "apt-get -qq update && apt-get -qq install --no-install-recommends systemd-journal-remote")
    inside(host, "install", "-d", DIRECTORY)
    maker = ["docker", "exec", "-i", f"courier-bench-{host}", MAKER, f"--output={DIRECTORY}/system.journal", "-"]
    make(maker, int(inside(host, "id", "-u", "courier")))
    return measured(run, ["mailtrace"], DIRECTORY)


def main(directory: str, maker: str = MAKER) -> None:
    make([maker, f"--output={directory}/system.journal", "-"], 0)
    program = [sys.executable, "-m", "plugins.module_utils._watch.trace"]

    def run(command: Sequence[str]) -> None:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)

    for figure in measured(run, program, directory):
        print(f"| {' | '.join(figure)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
