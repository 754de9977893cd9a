# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a file that others read meanwhile: it is the old one or the new one, and never half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile


def write(path: str, text: str, mode: int, group: int | None = None) -> None:
    """Replace a file. With a group, root gives it to that one. Raises OSError, with the file as it was."""
    directory, name = os.path.split(path)
    # makesmtpaccess passes over hidden names and names that hold a tilde.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix="~", dir=directory)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            os.fchmod(descriptor, mode)
            if group is not None and os.geteuid() == 0:
                os.fchown(descriptor, 0, group)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
