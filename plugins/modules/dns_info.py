# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_info
short_description: Compare what is published in DNS with what should be
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Asks DNS for each record that is wanted, and says what is missing, what is different, and what is there beside it
    and should not be, each with what to do about it. That something is wrong is no failure of the module.
  - Values are compared by what they mean. TTLs do not count, TXT counts as one string, two SPF records are the same if
    they let the same networks pass, two DKIM records if they have the same key.
  - A name server that does not answer is no proof that something is missing. Such a finding is V(unanswered).
  - Needs no right to change the zone, and changes nothing.
requirements:
  - dnspython (Debian package C(python3-dnspython))
options:
  records:
    description: What is wanted, as M(courier.mail.dns_records) returns it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The full name.
        type: str
        required: true
      type:
        description: Its type.
        type: str
        choices: [A, AAAA, CAA, CNAME, MX, PTR, SRV, TLSA, TXT]
        required: true
      value:
        description: As in a zone, but for TXT, which is one string without quotes.
        type: str
        required: true
  absent:
    description: Names that shall have no TXT record.
    type: list
    elements: str
    default: []
  zones:
    description: The zones that are ours, for RV(nsupdate).
    type: list
    elements: str
    default: []
  senders:
    description: Hosts that are looked at as large receivers do, as M(courier.mail.dns_records) returns them.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The full name of the host.
        type: str
        required: true
      addresses:
        description: Addresses that it sends from.
        type: list
        elements: str
        required: true
      domains:
        description: Domains that its senders are in.
        type: list
        elements: str
        required: true
      keys:
        description: Names of the DKIM records of the keys that sign.
        type: list
        elements: str
        required: true
  policies:
    description:
      - Texts of MTA-STS, by the URL where a web server must show each. They are read as servers do that want to send,
        with a certificate that the host trusts, and not elsewhere if the server says so.
    type: dict
    default: {}
  update_server:
    description: The server that RV(nsupdate) names, if it is not the one in the zone's SOA record.
    type: str
    default: ""
extends_documentation_fragment: [courier.mail.dns, courier.mail.looking]
seealso:
  - module: courier.mail.dns_records
"""

EXAMPLES = r"""
- name: See whether it is published
  courier.mail.dns_info:
    records: "{{ wanted.records }}"
    resolver: 192.0.2.53
  register: published
"""

RETURN = r"""
findings:
  description: One for each name and kind of record, and for each policy.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
    kind:
      description: The type, or for TXT what it is.
      type: str
      sample: SPF
    state:
      description: V(ok), V(missing), V(different), V(extra), or V(unanswered).
      type: str
    wanted:
      description: The values that should be there.
      type: list
      elements: str
    published:
      description: Those that are.
      type: list
      elements: str
    said:
      description: What is there, or what to do.
      type: str
rules:
  description: What large receivers ask of senders, for each of O(senders). C(ok) is whether the host does it.
  returned: success
  type: list
  elements: dict
  sample: [{id: ptr, host: mx1.example.com, domain: "", ok: false, evidence: 192.0.2.25 has no name, fix: set it}]
nsupdate:
  description: For nsupdate, what makes the zones of O(zones) as wanted. Empty where they are.
  returned: success
  type: str
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import _policy
from ..module_utils._courier.published import Ask, compare, compare_policy, questions, sender_rules, update_text
from ..module_utils._courier.records import KINDS, Record, Sender
from ..module_utils._dns import MISSING, RESOLVER_SPEC, Resolver

AT_ONCE = 16  # questions

SPEC: dict[str, Any] = {
    "records": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "required": True, "choices": sorted(KINDS)},
            "value": {"type": "str", "required": True},
        },
    },
    "absent": {"type": "list", "elements": "str", "default": []},
    "zones": {"type": "list", "elements": "str", "default": []},
    "senders": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "host": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "domains": {"type": "list", "elements": "str", "required": True},
            "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
        },
    },
    "policies": {"type": "dict", "default": {}},
    **RESOLVER_SPEC,
    "update_server": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if MISSING:
        module.fail_json(msg=missing_required_lib("dnspython"), exception=MISSING)
    try:
        resolver = Resolver(module.params["resolver"], timeout=module.params["timeout"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **look(module.params, resolver))


def look(params: dict[str, Any], resolver: Resolver) -> dict[str, Any]:
    """What is there, and what large receivers think of it."""
    wanted = [Record(one["name"], one["type"], one["value"]) for one in params["records"]]
    ask: Ask = resolver.ask_for_data
    with ThreadPoolExecutor(AT_ONCE) as threads:
        # The answers are kept, so that whoever asks afterwards need not wait.
        list(threads.map(resolver.prefetch, [*questions(wanted), *((name, "TXT") for name in params["absent"])]))
        shown = threads.map(
            lambda one: compare_policy(one[0], one[1], lambda url: _policy.read(url, ask, params["timeout"])),
            params["policies"].items(),
        )
    findings = [*compare(wanted, ask, params["absent"]), *shown]
    senders = [Sender(**one) for one in params["senders"]]
    kept = ("name", "kind", "state", "wanted", "published", "said")
    return {
        "findings": [{key: getattr(finding, key) for key in kept} for finding in findings],
        "rules": [rule._asdict() for rule in sender_rules(senders, wanted, ask)],
        "nsupdate": update_text(findings, params["zones"], params["update_server"]),
    }


if __name__ == "__main__":
    main()
