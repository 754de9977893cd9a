# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that write Courier's files have in common. The argument spec is in _managed_file.FILES_SPEC."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  directory:
    description:
      - Where Courier has its configuration. Courier's own programs that compile always use the one they were built for.
    type: path
    default: /etc/courier
  owner:
    description: User, by name or number, that owns the files.
    type: str
    default: root
  group:
    description: Group, by name or number, that may read the files. Courier must be in it.
    type: str
    default: courier
"""
