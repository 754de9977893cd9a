# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files that change while the filters run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._verdict import Down

_Made = TypeVar("_Made")


class Missing(Down):
    """There is no such file."""


class Reread(Generic[_Made]):
    """What is made of a file, made anew when the file has changed."""

    def __init__(self, path: str, make: Callable[[Any], _Made]) -> None:
        self._path, self._make = path, make
        self._lock = threading.Lock()
        self._found: tuple[tuple[int, int, int], _Made] | None = None

    def __call__(self) -> _Made:
        """Raises Missing, and Down where the file cannot be read or makes no sense."""
        with self._lock:
            try:
                seen = os.stat(self._path)
                version = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
                if self._found is None or version != self._found[0]:
                    with open(self._path, encoding="utf-8") as stream:
                        self._found = version, self._make(json.load(stream))
            except FileNotFoundError as error:
                raise Missing(f"{self._path} cannot be read: {error}") from error
            except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
                raise Down(f"{self._path} cannot be read: {error}") from error
            return self._found[1]
