# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site shows by HTTP for its domains, and under which names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._courier import autoconfig


def autoconfig_names(domains: Iterable[str], policies: bool = False, apexes: Iterable[str] = ()) -> list[str]:
    """The names that are asked. The documentation is in autoconfig_names.yml."""
    try:
        return autoconfig.names(domains, apexes, policies=bool(policies))
    except autoconfig.AutoconfigError as error:
        raise AnsibleFilterError(str(error)) from error


def mta_sts_policies(
    domains: Iterable[str], hosts: Iterable[Mapping[str, Any]], mta_sts: Mapping[str, Any]
) -> dict[str, str]:
    """Texts of policies. The documentation is in mta_sts_policies.yml."""
    known = list(hosts)
    try:
        return {domain: autoconfig.policy(known, domain, mta_sts) for domain in domains} if mta_sts else {}
    except autoconfig.AutoconfigError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"autoconfig_names": autoconfig_names, "mta_sts_policies": mta_sts_policies}
