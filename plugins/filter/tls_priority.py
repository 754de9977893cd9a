# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS profile's name as the priority string that Courier's TLS_PRIORITY takes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_priority
short_description: Turn the name of a TLS profile into a GnuTLS priority string
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Debian's Courier speaks TLS through GnuTLS and obeys C(TLS_PRIORITY) alone. The profiles offer exactly what the
    guideline lists, version 5.7.
positional: _input
options:
  _input:
    description: Profile of Mozilla's Server Side TLS guideline.
    type: str
    required: true
    choices: [modern, intermediate]
"""

EXAMPLES = r"""
- name: Offer TLS 1.3 alone on port 587
  courier.mail.settings:
    files:
      esmtpd-msa:
        TLS_PRIORITY: "{{ 'modern' | courier.mail.tls_priority }}"
"""

RETURN = r"""
_value:
  description: The priority string.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._courier.tls import ProfileError, priority


def tls_priority(profile: str) -> str:
    try:
        return priority(profile)
    except ProfileError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[[str], str]]:
        return {"tls_priority": tls_priority}
