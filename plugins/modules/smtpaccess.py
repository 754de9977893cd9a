# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smtpaccess
short_description: Decide which clients may connect to Courier's SMTP listeners, and with which settings
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - The listeners on ports 25, 465 and 587 look up the address of each client in one database. It says whether the
    connection is closed at once, and which variables are set for it. A variable set there wins over the same one in
    C(esmtpd) and over C(opt) lines of C(bofh).
  - Owns C(smtpaccess/default). The one that Debian ships lets all of 10.0.0.0/8 and 192.168.0.0/16 relay. Other files
    in the directory are left alone and compiled as well. A key that is in one of them and in this list is a duplicate,
    which the compiler refuses. Only from C(smtpaccess/filtered), the deny list of the role courier.mail.pythonfilter,
    clients are removed that this list names.
  - Compiles C(smtpaccess.dat) with C(makesmtpaccess) when a file is newer or the database is missing. When it refuses,
    the file is put back as it was.
  - C(makesmtpaccess) tells the listener on port 25, which uses the new list from the next connection on. The listeners
    on ports 465 and 587 go on with the old one until C(courier-mta-ssl) and C(courier-msa) are restarted. Restart them
    when RV(compiled) names the database.
  - Courier knows whole octets of IPv4 and whole groups of IPv6 only. Any other network is written as the lines it
    takes, 32768 at most.
  - One entry counts for a client, the one with the narrowest network that holds it. It does not inherit variables from
    wider ones. Their order does not matter.
  - Where no entry holds a client, it may connect, and nothing is set. An empty list means that not even the host itself
    may relay over SMTP. (C(sendmail) does not ask.)
  - Refuses a network twice, host bits, variables and values that Courier would pass over, and open relays, which are
    C(RELAYCLIENT) for C(*), for networks of IPv4 wider than /8 and of IPv6 wider than /16.
requirements:
  - dnspython (Debian package C(python3-dnspython)) on the host, for O(peers[].spf)
options:
  peers:
    description:
      - Hosts that we know, by what they are to us. The class decides what is granted, and the entries are written class
        by class, before those of O(entries).
    type: list
    elements: dict
    default: []
    suboptions:
      class:
        description:
          - V(managed) is a server of ours. It relays, on 465 and 587 without a login, and is exempt from DNS blacklists
            and from SPF, because the senders that it passes on are not its own.
          - V(trusted) is a sender that we know. It is exempt from DNS blacklists.
          - V(broken) does not pass the one check that O(peers[].lift) names, and is exempt from that.
          - V(denied) is not greeted.
        type: str
        choices: [managed, trusted, broken, denied]
        required: true
      networks:
        description: Addresses, or networks in CIDR, of IPv4 or IPv6. No host can be in two classes.
        type: list
        elements: str
        default: []
      spf:
        description:
          - A domain. The networks that its SPF record lets send are added, asked for at each run, with C(include),
            C(redirect), C(a), C(mx), C(ip4) and C(ip6) and the limits of RFC 7208. Needs dnspython on the host.
          - What depends on the single message (C(exists), C(ptr), macros) is left out with a warning. A network that
            is also in O(peers[].networks) of a peer is that peer's.
          - For V(trusted) peers only.
        type: str
      name:
        description: What people call it.
        type: str
      domains:
        description:
          - What a V(managed) one sends as, for the filter C(sender_login) of the role courier.mail.pythonfilter.
            Nothing here depends on it.
        type: list
        elements: str
      lift:
        description:
          - The check that a V(broken) peer is exempt from. V(dnsbl) is that for blacklisted addresses, V(helo) that of
            the name in HELO, V(sender_domain) that of the sender's domain and its MX in DNS, V(spf), V(spf_helo) and
            V(spf_from) are those of SPF for sender, HELO and From.
        type: str
        choices: [dnsbl, helo, sender_domain, spf, spf_from, spf_helo]
      reason:
        description: Why it is there. Needed for V(broken) peers.
        type: str
      owner:
        description: Who answers for it.
        type: str
      until:
        description:
          - The last day, such as V(2026-12-31). Each run of the 30 days before warns, and each after it is refused.
        type: str
  denied_lists:
    description:
      - Lists of networks that somebody else made, or a program. They are denied like O(peers) of the class V(denied).
      - A network that is there twice, or that O(peers) has as well, is written once. One that holds a peer of another
        class, or an address of O(ours), or is held by them, is refused with its line.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What people call it.
        type: str
        required: true
      text:
        description: One address or network a line. From a C(#) on, a line is a comment.
        type: str
        required: true
      reason:
        description: Why it is there.
        type: str
      owner:
        description: Who answers for it.
        type: str
      until:
        description: The last day, as that of a peer.
        type: str
  ours:
    description: Networks that are ours. No denied network may hold one of them, or be held.
    type: list
    elements: str
    default: []
  entries:
    description: Who else may connect, and how.
    type: list
    elements: dict
    default: []
    suboptions:
      network:
        description:
          - An address, or a network in CIDR, of IPv4 or IPv6, or V(*) for every client.
        type: str
        required: true
      action:
        description:
          - V(allow) lets the client connect.
          - V(deny) closes the connection before the greeting. Nobody can log in from there. To refuse mail from
            strangers only, allow with a C(BLOCK), which a login lifts.
        type: str
        choices: [allow, deny]
        default: allow
      variables:
        description:
          - What is set for the client. A key without a value (V(null) or V("")) is set and empty.
          - C(RELAYCLIENT), always empty, lets the client send mail to everybody.
          - C(BLOCK) with a text that begins with a code, such as V(550 5.7.1 Go away), refuses every recipient. Empty,
            it exempts the client from DNS blacklists.
          - C(AUTH_REQUIRED) of V(0) exempts it from the login on 465 and 587, C(ESMTP_TLS_REQUIRED) of V(0) from
            STARTTLS.
          - C(BOFHCHECKDNS), C(BOFHCHECKHELO), C(BOFHSPFHELO), C(BOFHSPFMAILFROM), C(BOFHSPFFROM),
            C(BOFHSPFHARDERROR), C(BOFHSPFTRUSTME), C(BOFHSPFNOVERBOSE), C(BOFHNOEXPN) and C(BOFHNOVRFY) are those of
            C(bofh). SPF is checked for clients that may relay, too. Quote V("off"), which is a boolean to YAML.
          - C(SIZELIMIT) is in bytes. C(TARPIT), C(NOADDMSGID), C(NOADDDATE), C(NOADDRREWRITE), C(MIME) and
            C(FAXRELAYCLIENT) are described in C(esmtpd), submit(8) and makesmtpaccess(8).
        type: dict
        default: {}
      comment:
        description: Why the entry is there. Written above it.
        type: str
extends_documentation_fragment: [courier.mail.files]
seealso:
  - module: courier.mail.acceptmailfor
attributes:
  check_mode:
    support: full
    description: Says what would change and be compiled, and changes nothing.
  diff_mode:
    support: full
    description: Shows the list.
"""

EXAMPLES = r"""
- name: Say who may do what on our SMTP ports
  courier.mail.smtpaccess:
    denied_lists:
      - name: attackers
        text: "{{ lookup('ansible.builtin.file', '/srv/lists/attackers.txt') }}"
    ours: "{{ groups['all'] | map('extract', hostvars) | courier.mail.own_networks }}"
    entries:
      - network: 127.0.0.1
        variables: {RELAYCLIENT: null}
      - network: ::1
        variables: {RELAYCLIENT: null}
      - network: 192.0.2.7
        variables: {RELAYCLIENT: null, BLOCK: null, AUTH_REQUIRED: 0, BOFHSPFMAILFROM: "off", BOFHSPFHELO: "off"}
        comment: sat1.example.com sends by us
      - network: 198.51.100.0/22
        variables: {BLOCK: }
        comment: newsletters of example.net, from its SPF record of 2026-05-01
      - network: 203.0.113.0/24
        action: deny
        comment: guesses passwords
"""

RETURN = r"""
files:
  description: The file, if it was written or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/smtpaccess/default]
compiled:
  description: The database, if it was compiled or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/smtpaccess.dat]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._courier import denied
from ..module_utils._courier.peers import CLASSES, LIFTED, Peer
from ..module_utils._courier.peers import entries as peer_entries
from ..module_utils._courier.smtpaccess import Access, render, without
from ..module_utils._courier.spf import SpfError, expand
from ..module_utils._courier.terms import TERMS_SPEC, Terms, notices
from ..module_utils._dns import MISSING, NoAnswer, ask
from ..module_utils._managed_file import FILES_SPEC, Database, File, Files, read, run

# Written by courier-mail deny (the role pythonfilter). It leaves out what it finds in ours; what comes into ours later
# is taken out of it here.
FILTERED = "filtered"
ENTRY = {
    "network": {"type": "str", "required": True},
    "action": {"type": "str", "choices": ["allow", "deny"], "default": "allow"},
    "variables": {"type": "dict", "default": {}},
    "comment": {"type": "str"},
}

PEER = {
    "class": {"type": "str", "choices": list(CLASSES), "required": True},
    "networks": {"type": "list", "elements": "str", "default": []},
    "spf": {"type": "str"},
    "name": {"type": "str"},
    "domains": {"type": "list", "elements": "str"},
    "lift": {"type": "str", "choices": list(LIFTED)},
    **TERMS_SPEC,
}
LIST = {"name": {"type": "str", "required": True}, "text": {"type": "str", "required": True}, **TERMS_SPEC}
SPEC = FILES_SPEC | {
    "denied_lists": {"type": "list", "elements": "dict", "options": LIST, "default": []},
    "ours": {"type": "list", "elements": "str", "default": []},
    "peers": {"type": "list", "elements": "dict", "options": PEER, "default": []},
    "entries": {"type": "list", "elements": "dict", "options": ENTRY, "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    for entry in module.params["peers"]:
        if entry["spf"]:
            entry["by_spf"] = by_spf(module, entry["spf"])
    run(module, plan)


def by_spf(module: AnsibleModule, domain: str) -> list[str]:
    """The networks that pass SPF for a domain."""
    if MISSING:
        module.fail_json(msg=missing_required_lib("dnspython"), exception=MISSING)
    try:
        networks, left_out = expand(domain, ask)
    except (SpfError, NoAnswer) as error:
        module.fail_json(msg=str(error))
    for term in left_out:
        module.warn(f"the SPF record of {domain} has {term}, which is no list of networks and was left out")
    return networks


def plan(params: dict[str, Any]) -> Files:
    directory, owner, group = (params[name] for name in ("directory", "owner", "group"))
    peers = [peer(entry) for entry in params["peers"]]
    lists = [denied.List(one["name"], one["text"], terms(one)) for one in params["denied_lists"]]
    peers += denied.peers(lists, peers, params["ours"])
    warnings = notices((str(peer), peer.terms) for peer in peers)
    text = render([*peer_entries(peers), *map(access, params["entries"])])
    files = [File(f"{directory}/smtpaccess/default", text, owner, group)]
    filtered = read(f"{directory}/smtpaccess/{FILTERED}")
    kept = None if filtered is None else without(filtered, text)
    if kept != filtered:
        files.append(File(f"{directory}/smtpaccess/{FILTERED}", kept, owner, group))
    databases = [Database(f"{directory}/smtpaccess.dat", [f"{directory}/smtpaccess"], ["makesmtpaccess"])]
    return Files(files, databases, warnings)


def peer(entry: dict[str, Any]) -> Peer:
    # On the controller, where nobody asks DNS, there are no networks by SPF.
    by_spf = entry.get("by_spf", [])
    return Peer(entry["class"], entry["networks"], entry["name"], entry["lift"], entry["spf"], terms(entry), by_spf)


def terms(entry: dict[str, Any]) -> Terms:
    return Terms(*(entry[name] for name in TERMS_SPEC))


def access(entry: dict[str, Any]) -> Access:
    """An entry as YAML has it: 0 is a number there, and Courier's variables are text."""
    variables = {name: None if value is None else str(value) for name, value in entry["variables"].items()}
    return Access(**entry | {"variables": variables})


if __name__ == "__main__":
    main()
