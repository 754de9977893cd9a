# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_folders
short_description: Folders of one mailbox that other people read over IMAP
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes the index of mailboxes that others may look into, and the rights (C(courierimapacl)) of each folder in them.
    Members see such a folder as C(#shared.NAME.FOLDER), and are subscribed to it when they come and unsubscribed when
    they go.
  - A folder is shared with those below it, unless O(folders) has an entry for one of them. In a mailbox that is in
    O(folders), or was, rights that somebody gave by a mail program are taken back. Mailboxes that are not are left
    alone; what their owners share by a mail program nobody finds, since the index does not have them.
  - Courier reads the index when somebody logs in, and the rights whenever a folder is opened.
options:
  folders:
    description: What is shared. Courier keeps one state of a message for all, so what one has read is read.
    type: list
    elements: dict
    required: true
    suboptions:
      owner:
        description: The account whose folder it is.
        type: str
        required: true
      folder:
        description:
          - The folder, as V(Orders) or V(Orders.2026). It is made if it is not there.
          - V(INBOX) is the whole mailbox.
        type: str
        required: true
      name:
        description:
          - What members see the mailbox as. By default what is before the @ of O(folders[].owner), with a C(-) in the
            place of each character that is no letter, digit, C(-) or C(_).
        type: str
      read:
        description: Addresses of accounts that read, and mark as read.
        type: list
        elements: str
        default: []
      write:
        description: Those who also put messages in, flag and delete them.
        type: list
        elements: str
        default: []
      manage:
        description: Those who also make and remove folders below it.
        type: list
        elements: str
        default: []
  homes:
    description: The homes of all accounts, by address. An empty one is C(DOMAIN/LOCALPART) below O(mail_root).
    type: dict
    required: true
  index:
    description: The index, as C(IMAP_SHAREDINDEXFILE) says. One that is not of this module is refused.
    type: path
    default: /etc/courier/shared/index
seealso:
  - module: courier.mail.userdb
extends_documentation_fragment: [courier.mail.maildir]
attributes:
  check_mode:
    description: Says what would be made and written.
    support: full
  diff_mode:
    description: Shows the index, and rights and subscriptions that change.
    support: full
"""

EXAMPLES = r"""
- name: Let two people work on the orders
  courier.mail.shared_folders:
    folders:
      - owner: sales@example.com
        folder: Orders
        write: [alice@example.com]
        read: [bob@example.com]
    homes: {sales@example.com: "", alice@example.com: "", bob@example.com: ""}
    mail_root: /srv/vmail
    uid: 5000
    gid: 5000
"""

RETURN = r"""
files:
  description: The files and folders that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/shared/index]
"""

import os
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.shared import MARK, Shared, SharedError, indexed, render, shared
from ..module_utils._courier.userdb import UserdbError, canonical
from ..module_utils._maildir import MAILDIR_SPEC, MailboxError, MailRoot
from ..module_utils._managed_file import Directory, File, ensure, ensure_places, read, together
from ..module_utils._shared import carry_out, diff, survey

_PEOPLE = {"type": "list", "elements": "str", "default": []}
_FOLDER = {
    "owner": {"type": "str", "required": True},
    "folder": {"type": "str", "required": True},
    "name": {"type": "str"},
    "read": _PEOPLE,
    "write": _PEOPLE,
    "manage": _PEOPLE,
}
SPEC: dict[str, Any] = {
    "folders": {"type": "list", "elements": "dict", "options": _FOLDER, "required": True},
    "homes": {"type": "dict", "required": True},
    **MAILDIR_SPEC,
    "index": {"type": "path", "default": "/etc/courier/shared/index"},
}


class Plan(NamedTuple):
    """What shall be."""

    mailboxes: list[Shared]
    homes: dict[str, str]
    text: str


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = dict(module.params)
    module.params["homes"] = f"{len(params['homes'])} accounts"
    path = params["index"]
    root = MailRoot(os.path.normpath(params["mail_root"]), params["uid"], params["gid"])
    try:
        wanted = plan(params)
        before = read(path)
        if before is not None and not before.startswith(f"{MARK}\n"):
            if not wanted.mailboxes:
                module.exit_json(changed=False, diff=[], files=[])
            raise SharedError(
                f"{path} is not of this module; move it away, and say what it shares in mail_shared_folders"
            )
        work = survey(root, wanted.mailboxes, indexed(before or ""), wanted.homes)
        if not module.check_mode:
            # Before the index has it, nobody finds a folder; before rights are taken, nobody is told that they were.
            carry_out(root, work)
    except (SharedError, UserdbError, MailboxError) as error:
        module.fail_json(msg=str(error))
    done = {
        "changed": any(work),
        "diff": diff(work),
        "files": [*work.make, *(change.path for change in work.write)],
    }
    places = ensure_places(module, [Directory(os.path.dirname(path))])
    module.exit_json(**together(done, places, ensure(module, [File(path, wanted.text, "root", "root", 0o644)])))


def plan(params: dict[str, Any]) -> Plan:
    """Who shares what. Touches nothing; raises SharedError and UserdbError."""
    root = os.path.normpath(params["mail_root"])
    homes = {}
    for address, home in params["homes"].items():
        local, _at, domain = canonical(address).rpartition("@")
        homes[f"{local}@{domain}"] = home or f"{root}/{domain}/{local}"
    mailboxes = shared(params["folders"], homes)
    return Plan(mailboxes, homes, render(mailboxes, params["uid"], params["gid"]))


if __name__ == "__main__":
    main()
