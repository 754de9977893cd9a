# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailbox_info
short_description: How big mailboxes are, and when their owners came last
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - The size is that of the messages in all folders, as they lie there. The last login is what the journal has of IMAP,
    POP3, and of messages that were sent with a login; what is older than the journal is not known.
  - Changes nothing.
options:
  accounts:
    description: The accounts, as the role P(courier.mail.courier_auth#role) takes them.
    type: list
    elements: dict
    required: true
extends_documentation_fragment: [courier.mail.maildir, courier.mail.looking]
"""

EXAMPLES = r"""
- name: See who reads his mail
  courier.mail.mailbox_info:
    accounts: "{{ mail_accounts }}"
    mail_root: /srv/vmail
    uid: 5000
    gid: 5000
"""

RETURN = r"""
mailboxes:
  description: One for each account, by address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: Whose it is.
      type: str
    disabled:
      description: Whether nobody can log in, because the account is disabled or has no password.
      type: bool
    bytes:
      description: The size of all messages.
      type: int
    messages:
      description: How many there are.
      type: int
    last_login:
      description: When somebody logged in last, in UTC. Empty where the journal does not know.
      type: str
    by:
      description: How, C(imap), C(pop3) or C(smtp).
      type: str
table:
  description: The same in lines for people, and where it comes from.
  returned: success
  type: list
  elements: str
journal_since:
  description: The time of the first line of the journal, in UTC.
  returned: success
  type: str
"""

import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.userdb import METHODS, UserdbError, canonical
from ..module_utils._filters._maildirs import folders, messages
from ..module_utils._maildir import MAILDIR_SPEC, MailRoot, rights_of_mail_user

SPEC = {
    # The hashes in them are not to be in the journal.
    "accounts": {"type": "list", "elements": "dict", "required": True, "no_log": True},
    **MAILDIR_SPEC,
}
_LOGIN = re.compile(r"(?P<at>\d+)\.\d+ \S+ (?P<by>imapd|pop3d)(?:-ssl)?\[\d+\]: LOGIN, user=(?P<who>[^,]+),")
_SENT = re.compile(r"(?P<at>\d+)\.\d+ \S+ (?P<by>courierd)\[\d+\]: newmsg,id=\S+ auth=(?P<who>[^:\s]+):")
_HOW = {"imapd": "imap", "pop3d": "pop3", "courierd": "smtp"}
_ASKED = ["journalctl", "--no-pager", "--quiet", "--output=short-unix"]


class Login(NamedTuple):
    """When somebody came, and how."""

    at: int
    by: str


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    accounts = module.params["accounts"]
    module.params["accounts"] = f"{len(accounts)} accounts"
    module.no_log_values.clear()  # what is told of them holds no secret
    root = MailRoot(module.params["mail_root"], module.params["uid"], module.params["gid"])
    names = [f"--identifier={name}{end}" for name in ("imapd", "pop3d") for end in ("", "-ssl")]
    _code, said, _error = module.run_command([*_ASKED, *names, "--identifier=courierd", "--grep=^(LOGIN,|newmsg,)"])
    _code, first, _error = module.run_command([*_ASKED, "--lines=+1"])
    if not first[:1].isdigit():  # an older systemd counts from the end only
        first = said
    came = last_logins(said.splitlines())
    try:
        found = [look(account, root, came) for account in accounts]
    except UserdbError as error:
        module.fail_json(msg=str(error))
    found.sort(key=lambda one: one["address"])
    begin = re.match(r"\d+", first)
    since = _moment(int(begin[0])) if begin else ""
    module.exit_json(changed=False, mailboxes=found, journal_since=since, table=table(found, since))


def last_logins(lines: Iterable[str]) -> dict[str, Login]:
    """Who came last when, by the lines of the journal in their order."""
    matches = (_LOGIN.match(line) or _SENT.match(line) for line in lines)
    return {match["who"]: Login(int(match["at"]), _HOW[match["by"]]) for match in matches if match}


def table(mailboxes: list[dict[str, Any]], since: str) -> list[str]:
    """What people read."""
    wide = max((len(one["address"]) for one in mailboxes), default=0)
    return [
        *(
            f"{one['address']:<{wide}}  {one['bytes'] / 2**20:10.1f} MiB in {one['messages']:>6} messages, "
            + (f"last login {one['last_login']} by {one['by']}" if one["by"] else "no login since then")
            + (", disabled" if one["disabled"] else "")
            for one in mailboxes
        ),
        f"Sizes are of the messages in all folders; logins are in the journal, which begins {since or 'now'}.",
    ]


def look(account: dict[str, Any], root: MailRoot, came: dict[str, Login]) -> dict[str, Any]:
    """What there is to say of an account."""
    address = canonical(account["address"])
    local, _at, domain = address.rpartition("@")
    maildir = f"{account.get('home') or f'{root.path}/{domain}/{local}'}/Maildir"
    with rights_of_mail_user(root):
        sizes = [one.seen.st_size for folder in folders(maildir) for one in messages(maildir, folder)]
    login = came.get(address)
    return {
        "address": address,
        "disabled": bool(account.get("disabled")) or not any(account.get(secret) for secret in METHODS.values()),
        "bytes": sum(sizes),
        "messages": len(sizes),
        "last_login": _moment(login.at) if login else "",
        "by": login.by if login else "",
    }


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


if __name__ == "__main__":
    main()
