# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host gets of this package."""

from __future__ import annotations

from . import __main__, _configuration, _manifest, _package, _queue, _restic, _settings, _state, _take

# A restore is the controller's, which hands the rest over when it is wanted.
_MODULES = (__main__, _configuration, _manifest, _queue, _restic, _settings, _state, _take)


def sources() -> dict[str, str]:
    """The files: name and text. They may come out of an archive."""
    return _package.files(_MODULES)
