# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shake hands with each relay as its route says: courierd's COURIERTLS, which hands over to couriertls.

Courier has one TLS for all destinations. With ESMTP_TLS_VERIFY_DOMAIN it says whom it believes to talk to
(-verify=NAME) and over which socket (-remotefd=N). With that, the table says what the relay's certificate and the
handshake must be. Port 25 is for the world, and is left as courierd has it: encrypted, verified only where the
domain's MTA-STS policy wants it, for which Courier sets TLS_VERIFYPEER.

On other ports nobody is let through who is not in the table: there Courier may log in, and whom it calls is what DNS
says of the relay's MX.
"""

from __future__ import annotations

import os
import socket
import sys

COURIERTLS = "/usr/bin/couriertls"
TABLE = "/etc/courier/esmtptls"
WORLD = 25


def main(arguments: list[str], environment: dict[str, str]) -> None:
    options = dict(argument.partition("=")[::2] for argument in arguments)
    name = options.get("-verify", "")
    try:
        port = socket.socket(fileno=os.dup(int(options["-remotefd"]))).getpeername()[1]
        if port == WORLD:
            verified = environment.get("TLS_VERIFYPEER", "NONE") != "NONE"
        else:
            verified, priority = relay(f"{name},{port}".lower())
            environment |= {"TLS_PRIORITY": priority} if priority else {}
    except (OSError, KeyError, ValueError) as error:
        # Courier defers the message, with what is said here as the reason.
        os.write(int(options.get("-statusfd", 2)), f"{sys.argv[0]}: {error}\n".encode())
        sys.exit(1)
    kept = [argument for argument in arguments if verified or not argument.startswith("-verify=")]
    os.execve(COURIERTLS, [COURIERTLS, *kept], environment)


def relay(wanted: str) -> tuple[bool, str]:
    """Whether to verify the certificate of a relay, and the priority string for it."""
    with open(TABLE, encoding="ascii") as table:
        for line in table:
            key, verification, *priority = line.split()
            if key == wanted:
                return verification == "verified", "".join(priority)
    raise ValueError(f"no route names {wanted}; does the relay have an MX record?")


if __name__ == "__main__":
    main(sys.argv[1:], dict(os.environ))
