# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: account_file
short_description: A mail account in the inventory
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes, changes or removes the file of one account in a directory that P(courier.mail.accounts#lookup) reads. It runs
    where the inventory is, which is the controller.
  - A change touches the lines of the keys in O(settings) and nothing else, so comments stay.
options:
  directory:
    description: Where the files are. It is made if it is not there.
    type: path
    required: true
  address:
    description: Whose account it is.
    type: str
    required: true
  action:
    description: V(add) wants no file to be there, the others want one.
    type: str
    choices: [add, change, remove]
    required: true
  password_hash:
    description: The hash of the password. Not in the difference.
    type: str
  settings:
    description: Other keys and their values. V(null) takes a key away.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says whether the file would change.
    support: full
  diff_mode:
    description: Shows the lines, without the hash.
    support: full
"""

EXAMPLES = r"""
- name: Let Bob log in no more
  courier.mail.account_file:
    directory: "{{ mail_accounts_directory }}"
    address: bob@example.com
    action: change
    settings: {disabled: true}
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /home/admin/site/accounts/bob@example.com.yml
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.account_files import AccountFileError, change, file_name
from ..module_utils._managed_file import File, ensure, read

SPEC = {
    "directory": {"type": "path", "required": True},
    "address": {"type": "str", "required": True},
    "action": {"type": "str", "choices": ["add", "change", "remove"], "required": True},
    "password_hash": {"type": "str", "no_log": True},
    "settings": {"type": "dict", "default": {}},
}
_HASH = re.compile(r"^password_hash:.*\n(?:[ \t]+\S.*\n)*", re.MULTILINE)


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    try:
        path = os.path.join(params["directory"], file_name(params["address"]))
        text = plan(params, read(path))
    except ValueError as error:
        module.fail_json(msg=str(error))
    if not module.check_mode:
        os.makedirs(params["directory"], 0o700, exist_ok=True)
    # Whoever reads it can guess at the password for as long as he likes.
    file = File(path, text, str(os.getuid()), str(os.getgid()), 0o600, lambda said: _HASH.sub("password_hash\n", said))
    result = ensure(module, [file])
    module.exit_json(changed=result["changed"], diff=result["diff"], path=path)


def plan(params: dict[str, Any], found: str | None) -> str | None:
    """The text that the file shall have, or None where it goes. Raises ValueError."""
    name, address = file_name(params["address"]), params["address"]
    if params["action"] == "add":
        if found is not None:
            raise AccountFileError(f"{address} is an account already: {params['directory']}/{name} is there")
        found = ""
    elif found is None:
        raise AccountFileError(f"{address} has no file {params['directory']}/{name}, so there is no such account here")
    if params["action"] == "remove":
        return None
    secret = {"password_hash": params["password_hash"]} if params["password_hash"] else {}
    return change(found, params["settings"] | secret)


if __name__ == "__main__":
    main()
