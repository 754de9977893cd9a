# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS profile's name as the settings of nginx."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_nginx
short_description: Turn the name of a TLS profile into settings of nginx
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Protocols, suites and curves that the guideline lists, version 5.7.
positional: _input
options:
  _input:
    description: Profile of Mozilla's Server Side TLS guideline.
    type: str
    required: true
    choices: [modern, intermediate]
"""

EXAMPLES = r"""
- name: Say which versions are offered
  ansible.builtin.debug:
    msg: "ssl_protocols {{ ('modern' | courier.mail.tls_nginx).ssl_protocols }};"
"""

RETURN = r"""
_value:
  description: The settings, by nginx's names.
  type: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._courier.tls import ProfileError, nginx


def tls_nginx(profile: str) -> dict[str, str]:
    try:
        return nginx(profile)
    except ProfileError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[[str], dict[str, str]]]:
        return {"tls_nginx": tls_nginx}
