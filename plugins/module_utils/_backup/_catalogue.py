# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host gets of this package."""

from __future__ import annotations

import sys
from typing import Any

from . import __main__, _configuration, _manifest, _queue, _restic, _settings, _state, _take

# A restore is the controller's, which hands the rest over when it is wanted.
_MODULES = (__main__, _configuration, _manifest, _queue, _restic, _settings, _state, _take)


def sources() -> dict[str, str]:
    """The files: name and text. They may come out of an archive."""
    package = __package__ or ""
    names = [package, *(module.__name__ for module in _MODULES)]
    return {f"{'__init__' if name == package else name.rpartition('.')[2]}.py": _source(name) for name in names}


def _source(name: str) -> str:
    # Python's loaders, that of archives and Ansible's all have this, and no common type.
    loader: Any = sys.modules[name].__loader__
    source = loader.get_source(name)
    if source is None:
        raise ImportError(f"{name} has no source")
    return str(source)
