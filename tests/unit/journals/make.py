"""The entries of compact.journal.gz and wide.journal.gz, in journalctl's export format on standard output.

They are real journals, of systemd-journal-remote 252, because the layout of the files is systemd's and not ours:

    python make.py | systemd-journal-remote --output=compact.journal - && gzip -9n compact.journal
    python make.py | SYSTEMD_JOURNAL_COMPACT=0 systemd-journal-remote --output=wide.journal - && gzip -9n wide.journal
"""

from __future__ import annotations

import struct
import sys

T = 1795595675  # 2026-11-25 08:34:35 UTC
COURIER = 100
ID = "000000000020E307.000000006B069D9B.00000B81"
LONG = "x" * 600
ROOM = b"y" * 400  # where a test writes what looks like an entry


def message(said: bytes) -> bytes:
    return b"MESSAGE\n" + struct.pack("<Q", len(said)) + said + b"\n"


def entry(
    number: int, identifier: str, user: int, said: bytes, unit: str = "courier.service", more: bytes = b""
) -> bytes:
    at = T * 1_000_000 + number * 500_000
    fields = {
        "__REALTIME_TIMESTAMP": at,
        "__MONOTONIC_TIMESTAMP": number + 1,
        "_BOOT_ID": "08e984decf034badadfe8e76c2e5b29c",
        "_MACHINE_ID": "6d9b0a9191494bcd84ecec7d3002ba2d",
        "SYSLOG_IDENTIFIER": identifier,
        "_PID": 700 + number,
        "_UID": user,
        "_SYSTEMD_UNIT": unit,
    }
    text = "".join(f"{name}={value}\n" for name, value in fields.items() if value != "")
    return text.encode() + message(said) + more + b"\n"


def entries() -> list[bytes]:
    return [
        entry(0, "courierd", 0, f"newmsg,id={ID}: dns; localhost (localhost [127.0.0.1])".encode()),
        entry(1, "courierlocal", COURIER, f"id={ID},from=<>,addr=<b@example.com>: caf\xe9".encode("latin-1"), ""),
        entry(2, "courierd", 5000, f"completed,id={ID}".encode()),  # who may not
        entry(3, "postfix", 0, f"completed,id={ID}".encode()),
        entry(4, "courierd", COURIER, b"Waiting"),
        entry(5, "courierd", COURIER, b"Waiting"),  # the same text again is the same object
        entry(6, "courierd", COURIER, f"MESSAGE=MESSAGE=,id={ID}".encode()),
        entry(7, "pythonfilter", COURIER, f"courier_mail: {ID} {LONG}".encode(), "courier-pythonfilter.service"),
        entry(8, "shell", 5000, b"nothing", "", b"OWN=" + ROOM + b"\n"),
        entry(9, "courierd", COURIER, f"completed,id={ID}".encode()),
    ]


if __name__ == "__main__":
    sys.stdout.buffer.write(b"".join(entries()))
