# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_records
short_description: Compute what a site needs published in DNS
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - From what the inventory says of all its hosts, computes the records of their domains and names. These are MX,
    addresses and their names, SPF, DKIM, DMARC, MTA-STS with its policy, TLS-RPT, SRV for mail programs, names for
    their set-up, CAA, and TLSA.
  - Returns them as data and as zone text. Writes and publishes nothing.
  - Asks DNS for the SPF records of others that ours includes, because receivers make ten look-ups and no more. A record
    that takes more is refused.
requirements:
  - dnspython (Debian package C(python3-dnspython)) where there is O(hosts[].spf_includes)
options:
  hosts:
    description: All hosts of the site. The records of a domain are those of all the hosts that have it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The full name of the host.
        type: str
        required: true
      addresses:
        description: Addresses that the world sees it with.
        type: list
        elements: str
        default: []
      domains:
        description: Domains whose addresses have mailboxes on it.
        type: list
        elements: str
        default: []
      domain_aliases:
        description: Other names of these domains.
        type: dict
        default: {}
      backup_domains:
        description: Domains whose mail it takes in and passes on. Those that no other host has are left alone.
        type: list
        elements: str
        default: []
      listeners:
        description: The doors that are open, out of C(smtp), C(submission), C(smtps), C(imap), C(imaps), C(pop3s).
        type: list
        elements: str
        default: []
      satellite:
        description: Whether it sends all its mail through another host.
        type: bool
        default: false
      hub:
        description: That host, if it is one of these.
        type: str
        default: ""
      relays:
        description: Servers of others that take all that the host sends to the world.
        type: list
        elements: str
        default: []
      contact:
        description: Who gets the reports of DMARC and TLS-RPT about the host's domains.
        type: str
        default: ""
      dkim:
        description:
          - Records of DKIM keys, each with its C(name), its C(text), and its C(state). A key that is V(active) signs. A
            name whose state is V(removed) shall have no record.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: SELECTOR._domainkey.DOMAIN.
            type: str
            required: true
          text:
            description: The text of the record.
            type: str
            default: ""
          state:
            description: What the key is for at present.
            type: str
            choices: [active, next, retired, removed]
            default: active
      spf_includes:
        description: Names whose SPF records tell who else sends for the host's domains.
        type: list
        elements: str
        default: []
      spf_fold:
        description: Those of them whose networks are written instead of their name, so that receivers look up less.
        type: list
        elements: str
        default: []
      spf_networks:
        description: Networks that send for the host's domains as well.
        type: list
        elements: str
        default: []
      spf_default:
        description: What SPF says of all other senders.
        type: str
        choices: [fail, softfail]
        default: fail
      dmarc:
        description:
          - Tags of the DMARC policy. Without C(p) that is V(quarantine) for what is signed and V(none) otherwise, and
            without C(rua) reports go to the contact. An empty C(rua) is none.
        type: dict
        default: {}
      mta_sts:
        description:
          - C(mode) (V(testing), V(enforce), or V(none) to take a policy back), C(host), which is the web server that
            shows the policy, and C(max_age), in seconds, a week unless given. Empty is no policy.
        type: dict
        default: {}
      trusted:
        description: Whether the world trusts the issuer of the host's certificate.
        type: bool
        default: true
      autoconfig:
        description: The web server that tells mail programs how to set themselves up. Empty is none.
        type: str
        default: ""
      silent_domains:
        description: Domains that never send mail. Those that no host has do not receive any, either.
        type: list
        elements: str
        default: []
      dead_domains:
        description: Domains whose mail nobody takes. They have no exchangers but those of O(hosts[].tarbabies).
        type: list
        elements: str
        default: []
      tarbabies:
        description: Exchangers that take nothing, which are the last of all domains of the host.
        type: list
        elements: dict
        default: []
        suboptions:
          host:
            description: Its name.
            type: str
            required: true
          addresses:
            description: Where it is.
            type: list
            elements: str
            required: true
          preference:
            description: The preference of its MX records, above that of all others.
            type: int
            default: 90
      acme_server:
        description: Directory of the authority that signs the host's certificate, for CAA. Unknown ones give none.
        type: str
        default: ""
      issuers:
        description: Domains of the authorities that may sign certificates for the host, instead.
        type: list
        elements: str
        default: []
      dnssec:
        description: Whether the zone is signed, so that TLSA makes sense.
        type: bool
        default: false
      key:
        description: SHA-256 of the public key in the host's certificate, in hexadecimal digits.
        type: str
        default: ""
      extra:
        description: Other records that shall be there.
        type: list
        elements: dict
        default: []
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
  zones:
    description:
      - Names of the zones that are ours. By default these are the domains that are not below another, and what the
        names of hosts are below.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [courier.mail.dns]
attributes:
  check_mode:
    support: full
    description: Does the same.
  diff_mode:
    support: none
    description: There is nothing to show.
seealso:
  - module: courier.mail.dns_info
"""

EXAMPLES = r"""
- name: Know what is to be published
  courier.mail.dns_records:
    hosts:
      - name: mx1.example.com
        addresses: [192.0.2.25]
        domains: [example.com]
        listeners: [smtp, submission, smtps, imaps]
        contact: alice@example.com
  register: wanted
"""

RETURN = r"""
records:
  description: The records, with their names, types and values.
  returned: success
  type: list
  elements: dict
  sample: [{name: example.com, type: MX, value: 10 mx1.example.com}]
absent:
  description: Names that shall have no TXT record.
  returned: success
  type: list
  elements: str
zones:
  description: The zones that are ours.
  returned: success
  type: list
  elements: str
zone:
  description: The records as BIND reads them.
  returned: success
  type: str
policies:
  description: Texts of MTA-STS, by the URL where a web server must show each.
  returned: success
  type: dict
senders:
  description: The hosts that mail leaves the site by, with C(host), C(addresses), C(domains) and C(keys).
  returned: success
  type: list
  elements: dict
"""

from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._courier import records, spf
from ..module_utils._courier.published import NoAnswer
from ..module_utils._dns import MISSING, RESOLVER_SPEC, Resolver

HOST: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "domains": {"type": "list", "elements": "str", "default": []},
    "domain_aliases": {"type": "dict", "default": {}},
    "backup_domains": {"type": "list", "elements": "str", "default": []},
    "listeners": {"type": "list", "elements": "str", "default": []},
    "satellite": {"type": "bool", "default": False},
    "hub": {"type": "str", "default": ""},
    "relays": {"type": "list", "elements": "str", "default": []},
    "contact": {"type": "str", "default": ""},
    "dkim": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "text": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["active", "next", "retired", "removed"], "default": "active"},
        },
    },
    "spf_includes": {"type": "list", "elements": "str", "default": []},
    "spf_fold": {"type": "list", "elements": "str", "default": []},
    "spf_networks": {"type": "list", "elements": "str", "default": []},
    "spf_default": {"type": "str", "choices": ["fail", "softfail"], "default": "fail"},
    "dmarc": {"type": "dict", "default": {}},
    "mta_sts": {"type": "dict", "default": {}},
    "trusted": {"type": "bool", "default": True},
    "autoconfig": {"type": "str", "default": ""},
    "silent_domains": {"type": "list", "elements": "str", "default": []},
    "dead_domains": {"type": "list", "elements": "str", "default": []},
    "tarbabies": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "host": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "preference": {"type": "int", "default": 90},
        },
    },
    "acme_server": {"type": "str", "default": ""},
    "issuers": {"type": "list", "elements": "str", "default": []},
    "dnssec": {"type": "bool", "default": False},
    "key": {"type": "str", "no_log": False, "default": ""},
    "extra": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "required": True, "choices": sorted(records.KINDS)},
            "value": {"type": "str", "required": True},
        },
    },
}
SPEC: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
    "zones": {"type": "list", "elements": "str", "default": []},
    **RESOLVER_SPEC,
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    includes = any(host["spf_includes"] for host in params["hosts"])
    if includes and MISSING:
        module.fail_json(msg=missing_required_lib("dnspython"), exception=MISSING)
    ask = Resolver(params["resolver"], timeout=params["timeout"]).ask_for_spf if includes else None
    try:
        site = compute(params, ask)
    except (ValueError, NoAnswer) as error:
        module.fail_json(msg=str(error))
    for warning in site.warnings:
        module.warn(warning)
    module.exit_json(
        changed=False,
        records=[{"name": one.name, "type": one.kind, "value": one.value} for one in site.records],
        absent=[key["name"] for host in params["hosts"] for key in host["dkim"] if key["state"] == "removed"],
        zones=site.zones,
        zone=records.zone_text(site),
        policies=site.policies,
        senders=[sender._asdict() for sender in site.senders],
    )


def plan(params: dict[str, Any]) -> records.Site:
    """What the arguments alone tell, wherever it is asked: hosts may be missing, and not have been asked yet."""
    return compute(params, None, complete=False)


def compute(params: dict[str, Any], ask: spf.Ask | None, *, complete: bool = True) -> records.Site:
    hosts = [_host(host) for host in params["hosts"]]
    return records.compute(hosts, params["zones"], ask, complete=complete)


def _host(given: dict[str, Any]) -> records.Host:
    rest = {key: value for key, value in given.items() if key != "acme_server"}
    issuer = records.ISSUERS.get(urlsplit(given["acme_server"]).hostname or "")
    kept = [key for key in given["dkim"] if key["state"] != "removed"]
    return records.Host(**rest | {"issuers": given["issuers"] or ([issuer] if issuer else []), "dkim": kept})


if __name__ == "__main__":
    main()
