# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: accounts
short_description: Mail accounts of the inventory, one file each
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Reads a directory of the controller in which each file is an account, C(alice@example.com.yml) for example, and
    holds what C(mail_accounts) would say of it without C(address). Values in a vault are read like everywhere else.
    Values are taken as they are written, so templates in them stay templates.
  - The playbook C(account) of this collection writes such files.
  - A directory that is not there has no accounts.
options:
  _terms:
    description: The directory. One only.
    type: list
    elements: str
    required: true
notes:
  - Where a whole directory is given as inventory, Ansible would take the files for inventories as well. So a directory
    below it is refused.
"""

EXAMPLES = r"""
# in the inventory
mail_accounts_directory: "{{ inventory_dir }}/accounts"
mail_accounts: "{{ lookup('courier.mail.accounts', mail_accounts_directory) }}"
"""

RETURN = r"""
_raw:
  description: One list, the accounts by their addresses.
  type: list
  elements: list
"""

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils._courier.account_files import entry


class LookupModule(LookupBase):
    """What is in the directory now: the playbook that writes a file reads it afterwards."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        if len(terms) != 1:
            raise AnsibleError("courier.mail.accounts: name one directory")
        directory = os.path.abspath(terms[0])
        for source in (variables or {}).get("ansible_inventory_sources") or ():
            if os.path.isdir(source) and f"{directory}/".startswith(f"{os.path.abspath(source)}/"):
                raise AnsibleError(
                    f"{directory} is in the inventory {source}, where Ansible takes each file for an inventory; "
                    "move it beside that, and say so in mail_accounts_directory"
                )
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        accounts = []
        for name in names:
            if name.startswith(".") or name.endswith("~"):  # of an editor
                continue
            try:
                accounts.append(entry(name, self._loader.load_from_file(f"{directory}/{name}", cache="none")))
            except ValueError as error:
                raise AnsibleError(f"{directory}: {error}") from error
        return [accounts]
