# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask modules what they would refuse, on the controller. The documentation is in plugins/modules/validate.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..modules import (
    acceptmailfor,
    aliases,
    autoconfig,
    backup,
    clamd,
    dkim_keys,
    dns_records,
    esmtproutes,
    fail2ban,
    fetchmail,
    forwarding,
    horde,
    pythonfilter,
    rbldnsd,
    settings,
    shared_folders,
    smtpaccess,
    spamassassin,
    tarbaby,
    userdb,
    values,
    watch,
    zdkimfilter,
)


class Check(NamedTuple):
    """What a module takes, and its first step, which touches nothing and raises ValueError for what it refuses."""

    spec: Mapping[str, Any]
    plan: Callable[[dict[str, Any]], object]


CHECKS = {
    "acceptmailfor": Check(acceptmailfor.SPEC, acceptmailfor.plan),
    "aliases": Check(aliases.SPEC, aliases.plan),
    "autoconfig": Check(autoconfig.SPEC, autoconfig.plan),
    "backup": Check(backup.SPEC, backup.plan),
    "clamd": Check(clamd.SPEC, clamd.plan),
    "dkim_keys": Check(dkim_keys.SPEC, dkim_keys.plan),
    "dns_records": Check(dns_records.SPEC, dns_records.plan),
    "esmtproutes": Check(esmtproutes.SPEC, esmtproutes.plan),
    "fail2ban": Check(fail2ban.SPEC, fail2ban.plan),
    "fetchmail": Check(fetchmail.SPEC, fetchmail.plan),
    "forwarding": Check(forwarding.SPEC, forwarding.plan),
    "horde": Check(horde.SPEC, horde.plan),
    "pythonfilter": Check(pythonfilter.SPEC, pythonfilter.plan),
    "rbldnsd": Check(rbldnsd.SPEC, rbldnsd.plan),
    "settings": Check(settings.SPEC, settings.plan),
    "shared_folders": Check(shared_folders.SPEC, shared_folders.plan),
    "smtpaccess": Check(smtpaccess.SPEC, smtpaccess.plan),
    "spamassassin": Check(spamassassin.SPEC, spamassassin.plan),
    "tarbaby": Check(tarbaby.SPEC, tarbaby.plan),
    "userdb": Check(userdb.SPEC, userdb.plan),
    "values": Check(values.SPEC, values.plan),
    "watch": Check(watch.SPEC, watch.plan),
    "zdkimfilter": Check(zdkimfilter.SPEC, zdkimfilter.plan),
}


class ActionModule(ActionBase):
    """Never connects to the host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        refused = refusals(self._task.args)
        return result | ({"failed": True, "msg": "\n".join(refused), "refused": refused} if refused else {})


def refusals(arguments: Mapping[str, Any]) -> list[str]:
    """One sentence for each module that would refuse its arguments."""
    return [sentence for name, given in arguments.items() if (sentence := refusal(name, given))]


def refusal(name: str, given: object) -> str | None:
    """What a module would say to its arguments, or None where it would take them."""
    check = CHECKS.get(name)
    if check is None:
        return f"{name} is not a module that can be asked; write {', '.join(CHECKS)}"
    if not isinstance(given, Mapping):
        return f"{name}: write its arguments as a dictionary"
    validated = ArgumentSpecValidator(check.spec).validate(dict(given))
    if validated.error_messages:
        return f"{name}: {'; '.join(validated.error_messages)}"
    try:
        check.plan(validated.validated_parameters)
    except ValueError as error:
        return str(error)
    return None
