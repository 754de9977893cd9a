# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the watch has its settings and its state on a host, and as whom it runs."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
from typing import Any, TypeVar

from ._settings import SettingsError, build

ETC = "/etc/courier-mail-watch"
STATE = "/var/lib/courier-mail-watch"
USER = "courier-mail-watch"

_Settings = TypeVar("_Settings")


class Unfit(Exception):
    """This host cannot do now what is asked."""


def settings(part: str, kind: type[_Settings], directory: str = ETC) -> _Settings:
    """The settings of a part, with its secrets. Raises SettingsError or OSError."""
    given = _read(os.path.join(directory, f"{part}.json"))
    with contextlib.suppress(FileNotFoundError):
        given |= _read(os.path.join(directory, f"{part}.secrets.json"))
    return build(kind, given)


def has(part: str, directory: str = ETC) -> bool:
    """Whether a part is wanted on this host."""
    return os.path.exists(os.path.join(directory, f"{part}.json"))


def become(name: str = USER) -> None:
    """Be the user of the watch, with its groups, where root has started it: its files are nobody's whom root trusts."""
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise Unfit(f"there is no user {name}; the role monitoring makes it") from error
    os.initgroups(name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = user.pw_dir


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as stream:
        try:
            given = json.load(stream)
        except ValueError as error:
            raise SettingsError(f"{path}: {error}") from error
    if not isinstance(given, dict):
        raise SettingsError(f"{path} has no dictionary")
    return given
