# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the GnuTLS of the host makes of a priority string. It is the library that Courier speaks TLS through."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# TLS_AES_128_GCM_SHA256                            	0x13, 0x01	TLS1.3
_SUITE = re.compile(r"^TLS_\w+\s+0x\w\w, 0x\w\w\s+(\S+)$", re.MULTILINE)
_HINT = "write a priority string that `gnutls-cli --list --priority` of the host shows cipher suites for"


class PriorityError(ValueError):
    """A priority string with which no handshake would succeed."""


def versions(module: AnsibleModule, priority: str) -> set[str]:
    """The versions of TLS that a priority string has cipher suites for, such as TLS1.3. Raises PriorityError."""
    judge = module.get_bin_path("gnutls-cli")
    if judge is None:
        raise PriorityError("gnutls-cli is not there to prove it; install gnutls-bin")
    code, stdout, stderr = module.run_command([judge, "--list", "--priority", priority])
    if code != 0:
        raise PriorityError(f"GnuTLS refuses {priority!r}: {(stderr or stdout).strip()}; {_HINT}")
    offered = set(_SUITE.findall(stdout))
    if not offered:
        # A string without a key exchange, for instance, is taken without a word.
        raise PriorityError(f"GnuTLS has no cipher suite for {priority!r}; {_HINT}")
    return offered
