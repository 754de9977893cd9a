# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the watch that have settings, and the files that make up the package on a host."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from . import (
    __main__,
    _alarm_send,
    _alarm_settings,
    _alarm_state,
    _blocklists_ask,
    _blocklists_settings,
    _blocklists_store,
    _dnslist,
    _exit,
    _flow_settings,
    _flow_totals,
    _follow,
    _found,
    _hand,
    _host_settings,
    _metrics_settings,
    _metrics_table,
    _package,
    _parts,
    _places,
    _proof_journal,
    _proof_letter,
    _proof_send,
    _proof_settings,
    _proof_stand,
    _proof_store,
    _proof_token,
    _queue,
    _registrations,
    _reports_arf,
    _reports_dmarc,
    _reports_findings,
    _reports_mail,
    _reports_settings,
    _reports_store,
    _reports_summary,
    _reports_take,
    _reports_text,
    _reports_tls,
    _reports_unpack,
    _resolve,
    _settings,
    _sqlite,
    _trace_disk,
    _trace_journal,
    _trace_lines,
    _trace_search,
    _trace_story,
    alarm,
    blocklists,
    findings,
    flow,
    host,
    look,
    metrics,
    proofs,
    reports,
    trace,
)
from ._settings import SettingsError, build

# What the settings of a part are, by its name, which is that of the file in /etc/courier-mail-watch too.
SETTINGS: dict[str, type[Any]] = {
    "alarm": _alarm_settings.Settings,
    "blocklists": _blocklists_settings.Settings,
    "flow": _flow_settings.Settings,
    "host": _host_settings.Settings,
    "metrics": _metrics_settings.Settings,
    "proofs": _proof_settings.Settings,
    "reports": _reports_settings.Settings,
}

_MODULES: tuple[ModuleType, ...] = (
    __main__,
    _alarm_send,
    _alarm_settings,
    _alarm_state,
    _blocklists_ask,
    _blocklists_settings,
    _blocklists_store,
    _dnslist,
    _exit,
    _flow_settings,
    _flow_totals,
    _follow,
    _found,
    _hand,
    _host_settings,
    _metrics_settings,
    _metrics_table,
    _package,
    _parts,
    _places,
    _proof_journal,
    _proof_letter,
    _proof_send,
    _proof_settings,
    _proof_stand,
    _proof_store,
    _proof_token,
    _queue,
    _registrations,
    _reports_arf,
    _reports_dmarc,
    _reports_findings,
    _reports_mail,
    _reports_settings,
    _reports_store,
    _reports_summary,
    _reports_take,
    _reports_text,
    _reports_tls,
    _reports_unpack,
    _resolve,
    _settings,
    _sqlite,
    _trace_disk,
    _trace_journal,
    _trace_lines,
    _trace_search,
    _trace_story,
    alarm,
    blocklists,
    findings,
    flow,
    host,
    look,
    metrics,
    proofs,
    reports,
    trace,
)


def check(part: str, settings: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
    """Refuse settings that make no sense with SettingsError, which shows no secret."""
    if part not in SETTINGS:
        raise SettingsError(f"there is no part {part} of the watch; there are {', '.join(SETTINGS)}")
    for name, secret in secrets.items():
        if not isinstance(secret, str) and not (
            isinstance(secret, dict) and all(isinstance(one, str) for one in secret.values())
        ):
            raise SettingsError(f"{part}: {name} is neither a text nor a dictionary of texts")
    try:
        build(SETTINGS[part], {**settings, **secrets})
    except SettingsError as error:
        raise SettingsError(f"{part}: {error}") from error


def sources() -> dict[str, str]:
    """The files of the package: name and text. They may come out of an archive."""
    return _package.files([sys.modules[__name__], *_MODULES])
