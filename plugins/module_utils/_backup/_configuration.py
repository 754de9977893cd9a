# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup is told: what is taken, where it goes, how long it is kept.

The settings are in a file that only root reads, since the address of a repository may hold a password.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._settings import SettingsError, build, refuse

DIRECTORY = "/etc/courier-mail-backup"
STATE = "/var/lib/courier-mail-backup"
CACHE = "/var/cache/courier-mail-backup"
KEEP = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
SHORTEST = 16  # characters of a password
_TARGET = re.compile(
    r"""(?P<local>/[^\s]+)
      | sftp:(?://)?[^\s/:@]+(?:@[^\s/:]+)?(?::\d+)?[:/][^\s]+
      | rest:https?://[^\s/]+/[^\s]*
      | s3:(?:https?://)?[^\s/]+/[^\s]+""",
    re.VERBOSE,
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Settings:
    """Paths are absolute. What is not on the host is passed over."""

    # Where it goes, as restic spells it: a directory, sftp:, rest: or s3:.
    repository: str = ""
    # Under which name the host's backups are found there.
    host: str = ""
    # How many are kept, by age.
    keep: dict[str, int] = field(default_factory=lambda: {"daily": 14, "weekly": 8, "monthly": 12})
    # The mailboxes, and who owns them.
    mail_root: str = "/srv/vmail"
    mail_user: str = "vmail"
    # Courier's state with the queue. Empty: there is none.
    courier: str = "/var/lib/courier"
    # Files and directories that go back to their place.
    paths: list[str] = field(default_factory=list)
    # Files and directories that are kept for reference: the inventory makes them anew.
    reference: list[str] = field(default_factory=list)
    # SQLite databases, or patterns of them, which are copied by SQLite.
    databases: list[str] = field(default_factory=list)
    # What SpamAssassin has learned, and the user who may read it. Empty: nothing.
    bayes: str = ""
    bayes_user: str = "debian-spamd"
    # The file with Courier's way to the accounts in PostgreSQL. Empty: they are not there.
    accounts: str = ""
    # Days between two looks at data in the repository, and how much of it is read each time.
    check_days: int = 7
    check_percent: int = 10
    # Megabytes that must be free where the copies of databases and of the queue are put together.
    room: int = 200
    # How often mail is taken again because it moved meanwhile.
    rounds: int = 5
    # What ssh is told for sftp: a key and known hosts, which are files beside these settings.
    ssh: bool = False


def check(given: Mapping[str, Any]) -> Settings:
    """The settings, or SettingsError, which names the variable."""
    try:
        settings = build(Settings, given)
    except SettingsError as error:
        raise SettingsError(f"backup: {error}") from error
    if not _TARGET.fullmatch(settings.repository):
        refuse(
            "backup_repository",
            without_password(settings.repository),
            "a directory such as /mnt/backup/mx1, sftp:user@host:/path, rest:https://user:password@host/path/ "
            "or s3:https://host/bucket",
        )
    if not settings.host:
        refuse("backup_host", settings.host, "the name under which this host's backups are kept")
    if settings.repository.startswith("/") and inside(settings.repository, settings.mail_root):
        refuse("backup_repository", settings.repository, f"a directory that is not below {settings.mail_root}")
    for name, number in settings.keep.items():
        if name not in KEEP:
            refuse("backup_keep", settings.keep, f"numbers for some of {', '.join(KEEP)}")
        if number < 1:
            refuse(f"backup_keep.{name}", number, "1 or more, or leave it out")
    if not settings.keep:
        refuse("backup_keep", settings.keep, "at least one number, such as {daily: 14}")
    for name, low, high in (("check_days", 1, 90), ("check_percent", 1, 100), ("rounds", 1, 20), ("room", 1, 1 << 20)):
        if not low <= getattr(settings, name) <= high:
            refuse(f"backup_{name}", getattr(settings, name), f"a number from {low} to {high}")
    for path in (settings.mail_root, *settings.paths, *settings.reference, *settings.databases):
        if not path.startswith("/") or path == "/" or ".." in path.split("/"):
            refuse("backup_paths", path, "absolute paths")
    return settings


def check_password(password: str) -> None:
    """Refuse a password with which the backup would be open, or lost."""
    if not password:
        raise SettingsError(
            "backup_password is missing. Without it nobody reads the backup, so it must not be on the host alone; "
            "make one with: openssl rand -base64 32, and write it to mail_backup.password in the vault"
        )
    if len(password) < SHORTEST or re.search(r"[\x00-\x1f\x7f]", password):
        raise SettingsError(
            f"backup_password is not {SHORTEST} characters or more in one line; make it with: openssl rand -base64 32"
        )


def check_environment(environment: Mapping[str, Any], repository: str) -> None:
    """Refuse variables that are none of a target's, and a target that lacks its own."""
    for name, value in environment.items():
        if not re.fullmatch(r"(AWS|B2|AZURE|GOOGLE|OS|ST)_[A-Z0-9_]+|RESTIC_REST_(USERNAME|PASSWORD)", name):
            raise SettingsError(
                f"backup_environment: {name} is no variable of a target; write those of restic's, "
                "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if not isinstance(value, str) or not value or re.search(r"[\x00\n]", value):
            raise SettingsError(f"backup_environment: {name} is empty or no text; write its value in one line")
    if repository.startswith("s3:"):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            if name not in environment:
                raise SettingsError(f"backup_environment has no {name}, which a target that begins with s3: needs")
    if len({"RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD"} & set(environment)) == 1:
        raise SettingsError(
            "backup_environment has only one of RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD; write both, or none"
        )


def load(text: str) -> Settings:
    """What `dump` wrote."""
    return build(Settings, json.loads(text))


def dump(settings: Settings) -> str:
    return json.dumps(dataclasses.asdict(settings), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def without_password(text: str) -> str:
    """Addresses as people may read them."""
    return _CREDENTIALS.sub("", text)


def inside(path: str, directory: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{directory.rstrip('/')}/")
