# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pythonfilter
short_description: Decide which filters look at mail, in which order, and what happens when one cannot
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(/etc/pythonfilter.conf), C(/etc/pythonfilter-modules.conf), C(/etc/pythonfilter-addresses.json), and the
    package C(courier_mail) that has the filters of this collection.
  - pythonfilter passes over a module that cannot be loaded, a setting that is unknown and an exception, and lets the
    mail in. So it is given one module, which runs the others and never takes a failure for consent. What a failure
    means is said for each filter.
  - Refuses what is not a filter, what is not a setting of it, and values without sense.
  - pythonfilter reads all this when it starts; restart it when something changed.
options:
  modules:
    description:
      - The filters in their order. The first that is sure decides; where it lets the mail in, those after it do not
        look.
      - Ours, and those that come with pythonfilter.
    type: list
    elements: str
    required: true
  when_down:
    description:
      - For each filter, what it means for a message when the filter, or the program that it asks, does not answer.
        V(defer) lets the client try again, V(accept) goes on as if it had passed, V(tag) does too, with the field
        C(X-Courier-Mail-Unchecked). V(defer) where nothing is said.
    type: dict
    default: {}
  settings:
    description: Settings of filters, by the names of both.
    type: dict
    default: {}
  addresses:
    description:
      - What the filters have to know of the site, as it comes from the filter P(courier.mail.filter_addresses#filter).
    type: dict
    default: {}
  units:
    description: Units of systemd that belong to it, by their names, as texts.
    type: dict
    default: {}
  package:
    description: Where the package is put. The directory must be there; other files in it are removed.
    type: path
    default: /usr/local/lib/courier-mail/courier_mail
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows what changes.
"""

EXAMPLES = r"""
- name: Refuse viruses, mark spam
  courier.mail.pythonfilter:
    modules: [log, clamd, attachments, whitelist_auth, spamd]
    when_down: {spamd: tag}
    settings:
      spamd:
        reject_score: 12
"""

RETURN = r"""
files:
  description: The files that were written or removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/pythonfilter.conf]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier import senders
from ..module_utils._filters._catalogue import check, sources, unseen
from ..module_utils._filters._configuration import ADDRESSES, CONF, PATH, render
from ..module_utils._managed_file import File, Files, run

UNITS = "/etc/systemd/system"
SPEC: dict[str, Any] = {
    "modules": {"type": "list", "elements": "str", "required": True},
    "when_down": {"type": "dict", "default": {}},
    "settings": {"type": "dict", "default": {}},
    "addresses": {"type": "dict", "default": {}},
    "units": {"type": "dict", "default": {}},
    "package": {"type": "path", "default": "/usr/local/lib/courier-mail/courier_mail"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), _plan_here)


def plan(params: dict[str, Any]) -> Files:
    """What is written, wherever it is asked."""
    order, when_down = params["modules"], params["when_down"]
    conf, modules = render(order, when_down, check(order, when_down, params["settings"]))
    known = params["addresses"] or {"mailboxes": [], "senders": {}, "managed": {}}
    units = [File(os.path.join(UNITS, name), text, "root", "root", 0o644) for name, text in params["units"].items()]
    package = [
        File(os.path.join(params["package"], name), text, "root", "root", 0o644) for name, text in sources().items()
    ]
    return Files(
        [
            *package,
            *units,
            File(CONF, conf, "root", "courier", 0o640),
            File(PATH, modules, "root", "courier", 0o640),
            File(ADDRESSES, senders.render(known), "root", "courier", 0o640),
        ],
        warnings=list(unseen(order)),
    )


def _plan_here(params: dict[str, Any]) -> Files:
    """And what is taken away on this host: modules that an earlier version had."""
    wanted = plan(params)
    kept = {file.path for file in wanted.files}
    package = params["package"]
    found = [entry.path for entry in os.scandir(package) if entry.is_file()] if os.path.isdir(package) else []
    return wanted._replace(files=[*wanted.files, *(File(path, None) for path in sorted(found) if path not in kept)])


if __name__ == "__main__":
    main()
