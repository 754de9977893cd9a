# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the package that this is a module of, for the hosts that get it. They may come out of an archive."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def files(modules: Iterable[ModuleType]) -> dict[str, str]:
    """Name and text of the package itself and of these of its modules."""
    package = __package__ or ""
    names = [package, *(module.__name__ for module in modules)]
    return {f"{'__init__' if name == package else name.rpartition('.')[2]}.py": _source(name) for name in names}


def _source(name: str) -> str:
    # Python's loaders, that of archives and Ansible's all have this, and no common type.
    loader: Any = sys.modules[name].__loader__
    source = loader.get_source(name)
    if source is None:
        raise ImportError(f"{name} has no source")
    return str(source)
