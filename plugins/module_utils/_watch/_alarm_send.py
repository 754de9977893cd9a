# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell somebody: by mail, and by webhook, for when the mail server is what is bad."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from http.client import HTTPException
from typing import Any

from ._alarm_settings import Settings
from ._alarm_state import Event

VERSION = 1  # of what webhooks get
_SENDMAIL = "/usr/sbin/sendmail"
_SECONDS = 60  # for sendmail
_MOST = 100  # events in a message; what comes at once in such a number has one reason


class Untold(Exception):
    """Why it could not be told. Shows no address of a webhook."""


def letter(settings: Settings, events: Sequence[Event], now: float) -> EmailMessage:
    """What the operator gets by mail."""
    message = EmailMessage(policy=SMTP.clone(max_line_length=200))
    first = events[0]
    more = f" and {len(events) - 1} more" if len(events) > 1 else ""
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.mail)
    message["Subject"] = line(f"[{settings.host}] {first.event}: {first.key}{more}", 200)
    message["Date"] = formatdate(now)
    message["Message-ID"] = make_msgid("watch", settings.host or None)
    # Nobody who is away answers, and no list passes it on.
    message["Auto-Submitted"] = "auto-generated"
    message["Precedence"] = "bulk"
    parts = [
        f"{one.event}: {line(one.key)}\n  {line(one.said)}\n  since {_time(one.since)}\n" for one in events[:_MOST]
    ]
    if len(events) > _MOST:
        parts.append(f"and {len(events) - _MOST} more\n")
    end = "courier-mail-watch alarm --list says how things stand.\n"
    message.set_content("\n".join([f"{settings.host}, {_time(now)}\n", *parts, end]))
    return message


def mail(settings: Settings, events: Sequence[Event], now: float, program: str = _SENDMAIL) -> None:
    """Hand it to this host's mail server. Raises Untold."""
    text = letter(settings, events, now).as_bytes()
    try:
        done = subprocess.run(  # noqa: S603 -- no shell
            [program, "-i", "-f", settings.sender, "--", *settings.mail],
            input=text,
            timeout=_SECONDS,
            check=False,
            capture_output=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Untold(f"sendmail: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise Untold(f"sendmail ended with {done.returncode}{': ' + said[-1] if said else ''}")


def body(settings: Settings, events: Sequence[Event], now: float, *, test: bool = False) -> bytes:
    """What a webhook gets, as JSON."""
    data: dict[str, Any] = {
        "version": VERSION,
        "host": settings.host,
        "sent": now,
        "test": test,
        "events": [one._asdict() for one in events],
    }
    return json.dumps(data, sort_keys=True).encode()


def signature(key: str, moment: str, text: bytes) -> str:
    """What proves to whoever has the key that it comes from here, and when."""
    return f"sha256={hmac.new(key.encode(), moment.encode() + b'.' + text, hashlib.sha256).hexdigest()}"


def webhook(settings: Settings, name: str, text: bytes, now: float) -> None:
    """Call a webhook. Raises Untold."""
    url, key = settings.webhook_urls[name], settings.webhook_keys.get(name, "")
    moment = str(int(now))
    fields = {
        "Content-Type": "application/json",
        "User-Agent": "courier-mail-watch",
        "X-Courier-Mail-Timestamp": moment,
    }
    if key:
        fields["X-Courier-Mail-Signature"] = signature(key, moment, text)
    request = urllib.request.Request(url, text, fields, method="POST")  # noqa: S310 -- https, or http with a reason
    opener = urllib.request.build_opener(
        _Stay(), urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(request, timeout=settings.timeout) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        raise Untold(f"it answered {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        said = str(getattr(error, "reason", error) or type(error).__name__)
        raise Untold(said.replace(url, "its url")) from error
    if not 200 <= status < 300:
        raise Untold(f"it answered {status}")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Nobody else is told: to follow would be to believe whoever answers with our secrets."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


def line(text: str, most: int = 1000) -> str:
    """A text, part of which strangers may have written, as one line."""
    return "".join(one if one.isprintable() else "?" for one in text)[:most]


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
