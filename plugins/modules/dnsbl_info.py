# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnsbl_info
short_description: Test lists in DNS before they are believed
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Asks each list, with the resolver of the host, for its test points (RFC 5782). C(127.0.0.2) must be listed with an
    answer that counts, and C(127.0.0.1) must not be listed.
  - A list that serves this resolver with error codes, that has ended, or that lists everybody fails this test.
  - Fails when a list does not pass that the filters of the host do not use yet. One that they use is warned about;
    C(courier-mail lists) leaves it out until it is well again. Nothing is changed.
requirements:
  - dnspython (Debian package C(python3-dnspython)) on the host
options:
  blocklists:
    description:
      - Lists of hosts whose mail is refused, as C(mail_blocklists) has them. C(zone) and C(answers) are needed;
        C(reason), C(url), C(server) and C(port) may be given.
    type: list
    elements: dict
    default: []
  allowlists:
    description: Lists of good hosts, in the same form.
    type: list
    elements: dict
    default: []
  configuration:
    description: The file in which the filters of the host have their settings.
    type: path
    default: /etc/pythonfilter-modules.conf
  strict:
    description: Whether a list that does not pass and is not used yet is a failure. Otherwise RV(lists) says so.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for each answer.
    type: int
    default: 5
attributes:
  check_mode:
    description: Asks all the same, where dnspython is there already, and only warns.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Believe no list that is not well
  courier.mail.dnsbl_info:
    blocklists:
      - {zone: bl.example.org, answers: [127.0.0.2]}
"""

RETURN = r"""
lists:
  description: What was found of each list. C(broken) is empty where it is well.
  returned: success
  type: list
  elements: dict
  sample: [{zone: bl.example.org, broken: "", used: true}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._dns import MISSING
from ..module_utils._filters import _configuration, _dnslist
from ..module_utils._filters.dnsbl import Settings


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "blocklists": {"type": "list", "elements": "dict", "default": []},
            "allowlists": {"type": "list", "elements": "dict", "default": []},
            "configuration": {"type": "path", "default": "/etc/pythonfilter-modules.conf"},
            "strict": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        entries = Settings(params["blocklists"], params["allowlists"]).entries()
    except ValueError as error:
        module.fail_json(msg=str(error))
    if MISSING and entries:
        if module.check_mode:
            module.exit_json(changed=False, lists=[])
        module.fail_json(msg=missing_required_lib("dnspython"), exception=MISSING)
    used = _used(params["configuration"])
    found: list[dict[str, Any]] = []
    refused = []
    for entry in entries:
        broken = _dnslist.trouble(entry, entry.resolver(params["timeout"]))
        is_used = _asked(entry) in used
        found.append({"zone": entry.zone, "broken": broken, "used": is_used})
        if not params["strict"]:
            continue
        if broken and is_used:
            module.warn(f"the list {entry.zone} is broken, and refuses nobody until it is well again: {broken}")
        elif broken and module.check_mode:
            module.warn(f"the list {entry.zone} would not be switched on: {broken}")
        elif broken:
            refused.append(f"{entry.zone}: {broken}")
    if refused:
        module.fail_json(
            msg="these lists do not pass the test that every list passes, and are not switched on: "
            f"{'; '.join(refused)}. Ask their operators whether they serve this host's resolver, or take them out of "
            "mail_blocklists and mail_allowlists",
            lists=found,
        )
    module.exit_json(changed=False, lists=found)


def _asked(entry: _dnslist.Entry) -> tuple[object, ...]:
    """What makes a list another one."""
    return (entry.zone, tuple(entry.answers), entry.allows, entry.server, entry.port)


def _used(path: str) -> set[tuple[object, ...]]:
    """The lists that the filters of this host have already."""
    try:
        settings = _configuration.read(path)[2].get("dnsbl", {})
        return {_asked(entry) for entry in Settings(**settings).entries()}
    except (OSError, ValueError, KeyError, TypeError, SyntaxError):
        return set()  # none yet, or nothing that anybody could use


if __name__ == "__main__":
    main()
