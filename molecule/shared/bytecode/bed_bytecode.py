# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Python compiles of Ansible's modules, on the hosts of a bed.

Ansible sends each module as an archive of sources, and Python compiles all of them each time, which is a third of what
a task costs a host. A bed is thousands of tasks. Hosts that are measured do not have this.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

KEPT = f"/var/cache/bed-bytecode/{sys.implementation.cache_tag}"
compile_source = zipimport._compile_source


def kept(pathname: str, source: bytes) -> CodeType:
    if "_payload.zip" not in pathname:
        return compile_source(pathname, source)
    path = f"{KEPT}/{_imp.source_hash(0, source).hex()}"
    try:
        with open(path, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError, TypeError):
        return keep(path, compile_source(pathname, source))


def keep(path: str, code: CodeType) -> CodeType:
    try:
        os.makedirs(KEPT, 0o700, exist_ok=True)
        with open(f"{path}.{os.getpid()}", "wb") as file:
            marshal.dump(code, file)
        os.rename(file.name, path)
    except OSError:
        pass  # somebody who may not write there
    return code


zipimport._compile_source = kept
