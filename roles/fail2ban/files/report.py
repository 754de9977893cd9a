# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say who was banned within a week, from fail2ban's database: by jail, and by address."""

import argparse
import sqlite3
import subprocess
import time
from email.message import EmailMessage

WEEK = 7 * 86400
DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"


def text(database: str, now: float) -> str:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        jails, addresses = (
            connection.execute(
                f"SELECT {column}, count(*) FROM bans WHERE timeofban > ? AND jail != 'courier-proof'"  # noqa: S608 -- ours
                " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
                (now - WEEK,),
            ).fetchall()
            for column in ("jail", "ip")
        )
    finally:
        connection.close()
    if not jails:
        return "Nobody was banned within the last week.\n"
    lines = ["Bans of the last week:", "", *(f"{count:>7}  {jail}" for jail, count in jails)]
    lines += ["", "The addresses that were banned most often:", "", *(f"{count:>7}  {ip}" for ip, count in addresses)]
    return "\n".join([*lines, "", "To let one in again: fail2ban-client unban ADDRESS", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", default="", help="send it to this address instead of printing it")
    parser.add_argument("--database", default=DATABASE, help=argparse.SUPPRESS)
    given = parser.parse_args()
    said = text(given.database, time.time())
    if not given.to:
        print(said, end="")
        return
    letter = EmailMessage()
    letter["To"], letter["Subject"], letter["Auto-Submitted"] = given.to, "Bans of the last week", "auto-generated"
    letter.set_content(said)
    subprocess.run(["/usr/sbin/sendmail", "-i", "--", given.to], input=bytes(letter), check=True)


if __name__ == "__main__":
    main()
