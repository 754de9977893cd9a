# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at on a host, and from when on it is bad."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ._settings import SettingsError, refuse

# Units that are looked at where they start at boot. What is not on a host, or was switched off, is not missed.
UNITS = (
    "certbot.timer",
    "clamav-daemon.service",
    "clamav-freshclam.service",
    "courier-authdaemon.service",
    "courier-autoconfig.socket",
    "courier-forward.service",
    "courier-forward.socket",
    "courier-horde.service",
    "courier-imap-ssl.service",
    "courier-imap.service",
    "courier-mail-backup.timer",
    "courier-mail-bans.timer",
    "courier-mail-bigmail.timer",
    "courier-mail-deny.timer",
    "courier-mail-dmarc.timer",
    "courier-mail-expire.timer",
    "courier-mail-learn.timer",
    "courier-mail-lists.timer",
    "courier-mail-room.socket",
    "courier-mail-watch-alarm.timer",
    "courier-mail-zones.timer",
    "courier-msa.service",
    "courier-mta-ssl.service",
    "courier-mta.service",
    "courier-pop-ssl.service",
    "courier-pop.service",
    "courier-pythonfilter.service",
    "courier-pythonfilter.socket",
    "courier-rbldnsd.service",
    "courier-tarbaby.service",
    "courier-tarbaby.socket",
    "courier-zdkimfilter.service",
    "courier.service",
    "courierfilter.service",
    "fail2ban.service",
    "nginx.service",
    "prometheus-node-exporter.service",
    "spamd.service",
)


@dataclass(frozen=True)
class Settings:
    # Units that are looked at beside those above.
    units: list[str] = dataclasses.field(default_factory=list)
    # Units that may fail, which is not told, each with the reason.
    may_fail: dict[str, str] = dataclasses.field(default_factory=dict)
    # PEM files with certificates, and how many days before their end somebody is told, and it is bad.
    certificates: list[str] = dataclasses.field(default_factory=list)
    certificate_soon_days: int = 14
    certificate_bad_days: int = 3
    # Directories on whose file systems there must be room, and how many percent of the space and of the inodes.
    directories: list[str] = dataclasses.field(default_factory=lambda: ["/", "/var/lib/courier"])
    room_soon_percent: int = 15
    room_bad_percent: int = 5
    # Hours that a message may wait, and how many may.
    queue_hours: int = 6
    queue_messages: int = 1000
    # Hours after which a mailbox elsewhere must have been reached.
    fetched_hours: int = 6
    # Hours after which there must be another backup, and days after which one must have been proved by restoring it.
    backup_hours: int = 26
    proved_days: int = 35

    def __post_init__(self) -> None:
        for name in ("certificates", "directories"):
            for one in getattr(self, name):
                if not one.startswith("/"):
                    refuse(name, one, "paths that begin with /")
        for one in (*self.units, *self.may_fail):
            if not one.rpartition(".")[0] or "/" in one or one.startswith("-"):
                refuse("units", one, "names of units with what they are, such as courier.service")
        for one, reason in self.may_fail.items():
            if not reason.strip():
                raise SettingsError(f"may_fail: {one} has no reason; write one, for whoever wonders later")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                refuse(name, getattr(self, name), f"a number from {least} to {most}")
        for kind, less in (("certificate", "days"), ("room", "percent")):
            soon, bad = f"{kind}_soon_{less}", f"{kind}_bad_{less}"
            if getattr(self, bad) > getattr(self, soon):
                raise SettingsError(f"{bad} is {getattr(self, bad)}, more than {soon}; write less")


_RANGES = {
    "certificate_soon_days": (1, 90),
    "certificate_bad_days": (0, 90),
    "room_soon_percent": (1, 90),
    "room_bad_percent": (0, 90),
    "queue_hours": (1, 168),
    "queue_messages": (1, 1_000_000),
    "fetched_hours": (1, 168),
    "backup_hours": (1, 720),
    "proved_days": (1, 3650),
}
