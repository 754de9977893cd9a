# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aliases
short_description: Give mailboxes other names, and the mail of whole domains a home
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Courier replaces a recipient that has an alias by the targets of the alias, before it looks for a mailbox.
  - Owns C(aliases/system). The one that Debian ships sends the mail of C(root) to a C(postmaster) who does not exist.
    Other files in C(aliases) are left alone and compiled as well. Courier adds up the targets of a name that is in
    several files.
  - Compiles C(aliases.dat) with C(makealiases) when a file is newer, when C(me), C(defaultdomain) or C(locals) are, or
    when the database is missing. When it refuses, the files are put back as they were. The new aliases hold from the
    next message on.
  - Names are the same whatever their case, and are written in lower case. Courier finds them in any case where the file
    C(locallowercase) exists (M(courier.mail.values)).
  - A bare name and the same name in any of the O(local) domains are one name to Courier.
  - An alias with several targets is a mailing list to Courier. Its sender is not told when a target cannot be reached.
  - An alias for a whole domain would also get the mail of the mailboxes there, because Courier asks it first. For each
    of O(accounts) in such a domain, the module adds an alias to itself. Addresses with an extension, such as
    C(user-lists@example.com), go with the rest of the domain.
  - What goes beyond addresses, which are aliases of whole domains and those for programs, is in files of C(aliasdir)
    whose names begin with C(.courier-catchall-) and C(.courier-program-), and in C(.courier-default). The module owns
    all of these, and removes those that are not wanted any more. (The files that C(makealiases) would write for
    programs are not found by Courier 1.3.11 and later.)
  - Refuses what would lose mail. That is an alias without a target, a target in one of our domains that is neither an
    account nor an alias, aliases that lead in a circle, an alias that takes the mail away from an account, and whatever
    Courier would not match.
options:
  aliases:
    description: The aliases. Order does not matter.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - C(user@example.com), or a bare C(user) for the local domains, or C(@example.com) for everything in a hosted
            domain that has neither a mailbox nor an alias of its own, or V(@) for that in the local domains.
        type: str
        required: true
      targets:
        description:
          - Addresses or bare names, ours or not. One that is the name of another alias is followed.
          - To keep the mail of an account and send a copy elsewhere, name the account among the targets of its alias.
          - "V(|command), as the only target, gives the message to a program, and V(/path) puts it into a Maildir or an
            mbox. Both run as the user C(courier)."
          - For C(@example.com), either addresses with their domains, to which the mail is forwarded, or one bare NAME
            (not for V(@)).
            Courier makes C(NAME-user@me) of C(user@example.com) then, and finds C(.courier-user) or
            C(.courier-default) in the home of NAME, or C(.courier-NAME-default) in C(aliasdir).
        type: list
        elements: str
        required: true
  domains:
    description:
      - Domains with names of their own. These are the hosted ones, and those that are only accepted and have an alias
        for the whole domain.
      - Courier does not apply the aliases of a domain to another domain that is an alias of it.
    type: list
    elements: str
    default: []
  local:
    description: Domains whose accounts are named by user alone, as in C(locals).
    type: list
    elements: str
    default: []
  accounts:
    description: Addresses of all accounts, to tell which targets exist.
    type: list
    elements: str
    default: []
  traps:
    description:
      - Addresses that nobody was ever told. Their mail is thrown away, and what is sent to them is spam to the filter
        C(spamtrap), which sees the recipient C(trap-LOCALPART_40DOMAIN@me).
      - C(aliasdir/.courier-trap-…) throws it away, as C(.courier-refused-…) and C(.courier-sink-…) do for the others.
        The module owns these files.
    type: list
    elements: str
    default: []
  refused_traps:
    description:
      - Addresses that have the whole message refused, for all its recipients, before any filter sees it. Courier does
        so where C(bofh) has the line C(spamtrap refused-LOCALPART_40DOMAIN@me).
    type: list
    elements: str
    default: []
  sinks:
    description:
      - Addresses whose mail is thrown away, or C(@example.com) for whatever has neither mailbox nor alias there.
    type: list
    elements: str
    default: []
  forwarder:
    description:
      - The program that gives mail for addresses elsewhere to the forwarding service (role
        P(courier.mail.courier_srs#role)), which writes a sender of ours on it. Without one, Courier passes mail on with
        the sender that it came with.
      - An alias with such targets gets the target C(forward-LOCALPART_40DOMAIN), and the program stands in
        C(aliasdir/.courier-forward-…), with the targets. C(.courier-srs0-default) and its like take what comes back.
    type: path
  inside:
    description: Domains that are ours on other hosts, which mail goes on to with its own sender.
    type: list
    elements: str
    default: []
  srs_domain:
    description:
      - The domain of senders that O(forwarder) makes, one of O(local), or one of O(domains) in which nobody has a
        mailbox. By default O(me).
    type: str
  me:
    description:
      - The name in the file C(me). With an alias for a whole domain it must be in O(local), because Courier sends the
        mail of the domain to a name there.
    type: str
    required: true
extends_documentation_fragment: [courier.mail.files]
seealso:
  - module: courier.mail.acceptmailfor
  - module: courier.mail.userdb
attributes:
  check_mode:
    support: full
    description: Says what would change and be compiled, and changes nothing.
  diff_mode:
    support: full
    description: Shows the aliases and the files in C(aliasdir).
"""

EXAMPLES = r"""
- name: Send the mail of nobody to somebody
  courier.mail.aliases:
    me: mx1.example.com
    local: [localhost, mx1.example.com]
    domains: [example.com, shop.example.com]
    accounts: [alice@example.com, bob@example.com]
    traps: [win.a.million@example.com]
    sinks: [noreply@example.com]
    aliases:
      - name: root
        targets: [postmaster]
      - name: postmaster
        targets: [alice@example.com]
      - name: team@example.com
        targets: [alice@example.com, bob@example.com, carol@partner.example]
      - name: spamtrap@example.com
        targets: ["|/usr/bin/spamc --reporttype=report --max-size=1048576"]
      - name: "@shop.example.com"
        targets: [bob@example.com]
"""

RETURN = r"""
files:
  description: The files that were written or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["/etc/courier/aliasdir/.courier-catchall-shop:example:com-default", /etc/courier/aliases/system]
compiled:
  description: The database, if it was compiled or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/aliases.dat]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.aliases import ALIASDIR_PREFIXES, Alias, aliasdir, forwarded, render, srs, traps
from ..module_utils._managed_file import FILES_SPEC, Database, File, Files, run

ALIAS = {
    "name": {"type": "str", "required": True},
    "targets": {"type": "list", "elements": "str", "required": True},
}

SPEC = FILES_SPEC | {
    "aliases": {"type": "list", "elements": "dict", "options": ALIAS, "required": True},
    "domains": {"type": "list", "elements": "str", "default": []},
    "local": {"type": "list", "elements": "str", "default": []},
    "accounts": {"type": "list", "elements": "str", "default": []},
    **{name: {"type": "list", "elements": "str", "default": []} for name in ("traps", "refused_traps", "sinks")},
    "forwarder": {"type": "path"},
    "inside": {"type": "list", "elements": "str", "default": []},
    "srs_domain": {"type": "str"},
    "me": {"type": "str", "required": True},
}


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan)


def plan(params: dict[str, Any]) -> Files:
    directory, owner, group = (params[name] for name in ("directory", "owner", "group"))
    aliases = [Alias(alias["name"], tuple(alias["targets"])) for alias in params["aliases"]]
    aliases += traps(params["traps"], params["refused_traps"], params["sinks"])
    site = {name: params[name] for name in ("domains", "local", "accounts", "me")}
    if params["forwarder"]:
        aliases = forwarded(aliases, domains=site["domains"], local=site["local"], inside=params["inside"])
        aliases += srs(params["srs_domain"] or params["me"], **site)
    text = render(aliases, **site)
    texts = dict.fromkeys(ours(f"{directory}/aliasdir"))
    texts |= aliasdir(aliases, params["me"], params["forwarder"] or "")
    files = [File(f"{directory}/aliasdir/{name}", texts[name], owner, group) for name in sorted(texts)]
    files.append(File(f"{directory}/aliases/system", text, owner, group))
    # makealiases qualifies bare names and folds local domains, so what it reads for that makes the database stale too.
    sources = [f"{directory}/{name}" for name in ("aliases", "me", "defaultdomain", "locals")]
    return Files(files, [Database(f"{directory}/aliases.dat", sources, ["makealiases"])])


def ours(directory: str) -> list[str]:
    """The files of this module in aliasdir, wanted or not."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return [name for name in names if name.startswith(ALIASDIR_PREFIXES)]


if __name__ == "__main__":
    main()
