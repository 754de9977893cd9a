# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the alarms are told: who hears of them, how, and how often."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ._settings import SettingsError, refuse

_ADDRESS = re.compile(r"[^\s@<>,;\"\\]+@[^\s@<>,;\"\\]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_SHORTEST = 16  # characters of a key


@dataclass(frozen=True)
class Settings:
    # What this host is called in alarms.
    host: str = ""
    # Who gets them by mail, and from whom they come.
    mail: list[str] = dataclasses.field(default_factory=list)
    sender: str = ""
    # Webhooks by name, each with what it is told about itself: reason, why one is called without TLS.
    webhooks: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    # Their addresses, which are as good as a password with many services, and the keys that sign what they get.
    webhook_urls: dict[str, str] = dataclasses.field(default_factory=dict)
    webhook_keys: dict[str, str] = dataclasses.field(default_factory=dict)
    # Hours after which what is still bad is told again; 0 for never.
    repeat_hours: int = 24
    # Looks in a row, a few minutes apart, after which a thing counts as bad, and as well again.
    bad_after: int = 2
    well_after: int = 3
    # The same for what cannot be found out.
    unknown_after: int = 30
    # Seconds for a webhook to answer.
    timeout: int = 10
    # Whether what is to be done soon is told, too.
    soon: bool = True
    # Findings that are not told: the part and the subject, as "queue: oldest message", with the reason.
    silent: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.mail:
            if not _ADDRESS.fullmatch(one):
                refuse("mail", one, "addresses such as alice@example.com")
        if self.mail and not self.sender:
            raise SettingsError("sender is missing; write the address from which alarms come")
        if self.sender and not _ADDRESS.fullmatch(self.sender):
            refuse("sender", self.sender, "an address such as alarm@mx1.example.com")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                refuse(name, getattr(self, name), f"a number from {least} to {most}")
        for name, reason in self.silent.items():
            if not reason.strip():
                raise SettingsError(f"silent: {name} has no reason; write one, for whoever wonders later")
        self._check_webhooks()

    def _check_webhooks(self) -> None:
        for name, known in self.webhooks.items():
            if not _NAME.fullmatch(name):
                refuse("the name of a webhook", name, "letters, digits, dots and hyphens")
            unknown = [key for key in known if key != "reason"]
            if unknown:
                raise SettingsError(f"webhook {name}: there is no {unknown[0]}; it has url, key and reason")
            if name not in self.webhook_urls:
                raise SettingsError(f"webhook {name} has no url; write where it is, as https://hooks.example.com/mail")
            _check_url(name, self.webhook_urls[name], known)
        for name in (*self.webhook_urls, *self.webhook_keys):
            if name not in self.webhooks:
                raise SettingsError(f"webhook {name} has a url or a key and is none of the webhooks")
        for name, key in self.webhook_keys.items():
            if len(key) < _SHORTEST:
                raise SettingsError(
                    f"webhook {name}: the key is shorter than {_SHORTEST} characters; write a longer one"
                )


_RANGES = {
    "repeat_hours": (0, 720),
    "bad_after": (1, 10),
    "well_after": (1, 10),
    "unknown_after": (1, 1000),
    "timeout": (1, 60),
}


def _check_url(name: str, url: str, known: Mapping[str, Any]) -> None:
    # The sentences do not show it: whoever knows it may call the webhook.
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.scheme in ("https", "http") and url.isascii() and url.isprintable()
        fits = fits and " " not in url and "@" not in parts.netloc and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise SettingsError(f"webhook {name}: its url is none; write https://hooks.example.com/mail")
    if parts.scheme == "http" and not known.get("reason", "").strip():
        raise SettingsError(
            f"webhook {name}: its url begins with http://, so anybody on the way reads and forges alarms; "
            "write https://, or a reason beside it"
        )
