"""Write to somebody all the time, one numbered message after the other, and come again with what was not taken.

As a mail server does: each message is tried at once, and then every few seconds until it is taken or refused for good.
What became of each attempt goes to standard output, a line of JSON each. It ends when the file that is named last has
appeared and nothing waits any more.

    sender.py 198.18.73.12 alice@example.org TOKEN /run/enough
"""

from __future__ import annotations

import json
import smtplib
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

EVERY = 1.0  # seconds between two messages
AGAIN = 5.0  # and until a message is tried again
TIMEOUT = 90.0  # for one answer


def message(number: int, recipient: str, token: str) -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = "mailbox@example.net"
    letter["To"] = recipient
    letter["Subject"] = f"numbered {token} {number}"
    letter["Date"] = formatdate()
    letter["Message-ID"] = f"<{token}.{number}@example.net>"
    letter.set_content(f"This is number {number}.\n")
    return letter


def attempt(address: str, recipient: str, letter: EmailMessage) -> tuple[str, str]:
    """What became of it, in a word, and what was said."""
    try:
        with smtplib.SMTP(address, 25, "mx.example.net", timeout=TIMEOUT) as session:
            session.send_message(letter, "mailbox@example.net", [recipient])
    except smtplib.SMTPRecipientsRefused as error:
        ((code, said),) = error.recipients.values()
        return ("refused" if code >= 500 else "later"), f"{code} {said!r}"
    except smtplib.SMTPResponseException as error:
        return ("refused" if error.smtp_code >= 500 else "later"), f"{error.smtp_code} {error.smtp_error!r}"
    except (OSError, smtplib.SMTPException) as error:
        return "later", repr(error)
    return "taken", ""


def main(address: str, recipient: str, token: str, enough: str) -> None:
    waiting: dict[int, tuple[float, EmailMessage]] = {}
    number, due = 0, time.monotonic()
    while waiting or not Path(enough).exists():
        now = time.monotonic()
        if now >= due and not Path(enough).exists():
            number, due = number + 1, now + EVERY
            waiting[number] = (now, message(number, recipient, token))
        for which, (when, letter) in list(waiting.items()):
            if when > time.monotonic():
                continue
            outcome, said = attempt(address, recipient, letter)
            print(json.dumps({"number": which, "time": time.time(), "outcome": outcome, "said": said}), flush=True)
            if outcome == "later":
                waiting[which] = (time.monotonic() + AGAIN, letter)
            else:
                del waiting[which]
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
