# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acceptmailfor
short_description: Decide for which domains Courier takes mail, and which of them have accounts here
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Courier asks two questions about the domain of a recipient. May strangers hand over mail for it
    (C(esmtpacceptmailfor)), and are its accounts here, named by user alone (C(locals)) or by user and domain
    (C(hosteddomains)). Lists that disagree make a host relay mail to itself or refuse its own. This module writes all
    of them from one description, so that whatever is local, hosted or an alias is accepted too.
  - Owns C(locals), C(hosteddomains/site), C(esmtpacceptmailfor.dir/site) and C(esmtpacceptmailfor), which is kept
    empty because without it Courier accepts mail for its own host name. Other files in the two directories are left
    alone and compiled as well. A domain that is in one of them and in this list is a duplicate, which the compiler
    refuses.
  - Compiles C(hosteddomains.dat) with C(makehosteddomains) and C(esmtpacceptmailfor.dat) with C(makeacceptmailfor) when
    a list is newer or the database is missing. When one of them refuses, the files are put back as they were.
  - The list of accepted domains holds for the next message. C(courierd) keeps C(locals) and C(hosteddomains) as it
    found them when it started. Restart C(courier) when RV(files) names one of them.
  - Case does not matter. International domains may be written in Unicode or as A-labels (C(xn--)). Each file gets the
    form by which Courier finds them.
  - C(.example.com) is every name below C(example.com), but not C(example.com) itself. In O(local) it reaches to any
    depth. Among hosted domains and aliases Courier finds names up to five labels below it, among accepted domains up to
    seven.
  - A domain that is in two lists, twice in one, or hosted under a wildcard that is local, is refused, and so is
    whatever Courier would not match.
options:
  hosted:
    description:
      - Domains with accounts of their own, named C(user@example.com).
      - The accounts for all names below C(.example.com) are named C(user@.example.com).
    type: list
    elements: str
    default: []
  aliases:
    description:
      - Domains that are other names for a hosted domain. Each key is the alias and its value one of O(hosted), whose
        accounts get the mail.
    type: dict
    default: {}
  local:
    description:
      - Domains whose accounts are named by user alone, such as the name of the host and C(localhost).
      - C(!www.example.com) excepts a name from a wildcard. It is still accepted from strangers, because the wildcard
        is, and then passed on to its MX.
    type: list
    elements: str
    default: []
  accepted:
    description:
      - Domains that are taken from strangers and passed on, to their better MX or by a route. These are domains for
        which this host is a backup MX or a gateway, or which have an alias for the whole domain.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [courier.mail.files]
seealso:
  - module: courier.mail.esmtproutes
attributes:
  check_mode:
    support: full
    description: Says what would change and be compiled, and changes nothing.
  diff_mode:
    support: full
    description: Shows the lists.
"""

EXAMPLES = r"""
- name: Take mail for our domains
  courier.mail.acceptmailfor:
    local:
      - localhost
      - mail.example.com
    hosted:
      - example.com
      - bücher.example
    aliases:
      example.org: example.com
    accepted:
      - partner.example # we are its second MX
  notify: Restart Courier

- name: Deliver for every host below lan.example, but for one that has its own server
  courier.mail.acceptmailfor:
    local:
      - .lan.example
      - "!news.lan.example"
"""

RETURN = r"""
files:
  description: The files that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/esmtpacceptmailfor.dir/site, /etc/courier/hosteddomains/site]
compiled:
  description: The databases that were compiled, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/esmtpacceptmailfor.dat, /etc/courier/hosteddomains.dat]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.domains import render
from ..module_utils._managed_file import FILES_SPEC, Database, File, Files, run

SPEC = FILES_SPEC | {
    "hosted": {"type": "list", "elements": "str", "default": []},
    "aliases": {"type": "dict", "default": {}},
    "local": {"type": "list", "elements": "str", "default": []},
    "accepted": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan)


def plan(params: dict[str, Any]) -> Files:
    directory, owner, group = (params[name] for name in ("directory", "owner", "group"))
    lists = render(
        hosted=params["hosted"],
        aliases={str(alias): str(target) for alias, target in params["aliases"].items()},
        local=params["local"],
        accepted=params["accepted"],
    )
    texts = {
        "locals": lists.locals,
        "hosteddomains/site": lists.hosteddomains,
        "esmtpacceptmailfor.dir/site": lists.esmtpacceptmailfor,
        "esmtpacceptmailfor": "",
    }
    files = [File(f"{directory}/{name}", text, owner, group) for name, text in texts.items()]
    databases = [
        Database(f"{directory}/hosteddomains.dat", [f"{directory}/hosteddomains"], ["makehosteddomains"]),
        Database(f"{directory}/esmtpacceptmailfor.dat", [f"{directory}/esmtpacceptmailfor.dir"], ["makeacceptmailfor"]),
    ]
    return Files(files, databases)


if __name__ == "__main__":
    main()
