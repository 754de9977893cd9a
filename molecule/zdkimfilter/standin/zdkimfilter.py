# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for zdkimfilter, which no machine of the tests has: to Courier and to the role it behaves alike.

It starts as a filter of courierfilter, refuses a configuration with names that it does not know, signs what people send
who have logged in, and verifies what others bring, by python3-dkim. A word in MOOD makes it do one thing wrong.
"""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import threading
from pathlib import Path

import dkim

HOME = Path("/var/lib/courier")
FILTERS = Path("/etc/courier/filters")
# exit: does not start. unsigned, forged, other, length: what it signs is not signed, wrong, by another domain, with l=.
# credulous: believes each signature. silent: looks at none.
MOOD = FILTERS / "mood"
NAMES = [
    "all_mode",
    "body_canon_relaxed",
    "default_domain",
    "header_canon_relaxed",
    "honor_dmarc",
    "key_choice_header",
    "no_signlen",
    "publicsuffix",
    "sign_hfields",
    "tempfail_on_error",
    "verbose",
]


def options(text: str, path: str) -> dict[str, str]:
    """What a configuration says. Exits where zdkimfilter would."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _equals, value = map(str.strip, line.partition("="))
        if name and not name.startswith("#"):
            if name not in NAMES:
                sys.exit(f"ERR:zdkimfilter: Invalid name {name} at line {number} in {path}\nUnable to read config file")
            found[name] = value or "Y"
    return found


def answer(
    text: bytes, envelope: str, settings: dict[str, str], keys: Path, mood: str = ""
) -> tuple[str, bytes | None]:
    """The reply to a message, and what becomes of its text, if anything."""
    login = re.search(r"^i(.*)$", envelope, re.MULTILINE)
    if "\nuauthsmtp" in envelope:
        return _sign(text, login[1] if login else "", settings, keys, mood)
    if mood == "silent" or not re.search(rb"^DKIM-Signature:", text, re.IGNORECASE | re.MULTILINE):
        return "250 not filtered.", None
    valid = mood == "credulous" or dkim.verify(text)
    field = f"Authentication-Results: standin; dkim={'pass' if valid else 'fail'}\n"
    return "250 Ok.", field.encode() + text


def _sign(text: bytes, login: str, settings: dict[str, str], keys: Path, mood: str) -> tuple[str, bytes | None]:
    author = re.search(rb"^From:.*@([a-z0-9.-]+)", text, re.IGNORECASE | re.MULTILINE)
    domains = [author[1].decode() if author else "", login.rpartition("@")[2], settings.get("default_domain", "")]
    domain = next((domain for domain in domains if domain and (keys / domain).exists()), "")
    if not login or not domain or mood == "unsigned":
        return "250 not filtered.", None
    key = (keys / domain).resolve()
    try:
        private = key.read_bytes()
    except OSError:
        return ("432 Mail filter temporarily unavailable." if "tempfail_on_error" in settings else "250 Failed."), None
    signed = dkim.sign(
        text,
        key.name.removesuffix(".private").encode(),
        b"example.net" if mood == "other" else domain.encode(),
        private,
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
        canonicalize=(b"relaxed", b"relaxed"),
        length=mood == "length",
    ).replace(b"\r\n", b"\n")
    return "250 Ok.", signed + (text.replace(b"Subject:", b"Subject: Re:", 1) if mood == "forged" else text)


def serve(connection: socket.socket, settings: dict[str, str]) -> None:
    """Judge the message that submit names."""
    with connection, connection.makefile("r") as asked:
        names = list(iter(lambda: asked.readline().strip(), ""))
        if len(names) < 2:
            print(f"ALERT:zdkimfilter: found only {len(names)} file name(s)", file=sys.stderr)
            return
        text, *controls = names
        envelope = "".join(Path(control).read_text(errors="replace") for control in controls)
        mood = MOOD.read_text().strip() if MOOD.exists() else ""
        reply, changed = answer(Path(text).read_bytes(), envelope, settings, FILTERS / "keys", mood)
        if changed is not None:
            Path(text).write_bytes(changed)
        connection.sendall(f"{reply}\n".encode())


def main() -> None:
    path = FILTERS / "zdkimfilter.conf"
    settings = options(path.read_text() if path.exists() else "", str(path))
    if MOOD.exists() and MOOD.read_text().strip() == "exit":
        sys.exit("ERR:zdkimfilter: is in no mood")
    name = Path(sys.argv[0]).name
    place = HOME / ("allfilters" if settings.get("all_mode") == "Y" else "filters") / name
    hidden = place.with_name(f".{name}")
    hidden.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(hidden))
        server.listen()
        hidden.chmod(0o660)
        hidden.rename(place)
        os.close(3)  # which courierfilter waits for
        while True:
            ready, _writable, _failed = select.select([0, server], [], [])
            if 0 in ready and not os.read(0, 1):  # courierfilter ends
                place.unlink(missing_ok=True)
                return
            if server in ready:
                threading.Thread(target=serve, args=(server.accept()[0], settings), daemon=True).start()


if __name__ == "__main__":
    main()
