# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that ask DNS have in common. The argument spec is in _dns.RESOLVER_SPEC."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  resolver:
    description: Address of the name server that is asked. By default those of C(/etc/resolv.conf).
    type: str
    default: ""
  timeout:
    description: Seconds to wait for an answer.
    type: int
    default: 10
"""
