# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: validate
short_description: Refuse what other modules of this collection would refuse, before a host is touched
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Each module of this collection refuses bad arguments before it writes. But a site is set up by several of them, and
    when the fourth refuses, the first three have written. This action asks all of them first.
  - Runs on the controller and does not connect to the host. All refusals come together, one sentence each.
  - What only a host can tell is left to the modules, namely which keys its configuration files know, whether its
    GnuTLS takes a C(TLS_PRIORITY), and what is on its disk.
options:
  acceptmailfor:
    description: Arguments of M(courier.mail.acceptmailfor).
    type: dict
  aliases:
    description: Arguments of M(courier.mail.aliases).
    type: dict
  autoconfig:
    description: Arguments of M(courier.mail.autoconfig).
    type: dict
  backup:
    description: Arguments of M(courier.mail.backup).
    type: dict
  clamd:
    description: Arguments of M(courier.mail.clamd).
    type: dict
  dns_records:
    description: Arguments of M(courier.mail.dns_records).
    type: dict
  esmtproutes:
    description: Arguments of M(courier.mail.esmtproutes).
    type: dict
  fail2ban:
    description: Arguments of M(courier.mail.fail2ban).
    type: dict
  forwarding:
    description: Arguments of M(courier.mail.forwarding).
    type: dict
  pythonfilter:
    description: Arguments of M(courier.mail.pythonfilter).
    type: dict
  rbldnsd:
    description: Arguments of M(courier.mail.rbldnsd).
    type: dict
  settings:
    description: Arguments of M(courier.mail.settings).
    type: dict
  shared_folders:
    description: Arguments of M(courier.mail.shared_folders).
    type: dict
  smtpaccess:
    description: Arguments of M(courier.mail.smtpaccess).
    type: dict
  spamassassin:
    description: Arguments of M(courier.mail.spamassassin).
    type: dict
  userdb:
    description: Arguments of M(courier.mail.userdb).
    type: dict
  values:
    description: Arguments of M(courier.mail.values).
    type: dict
  watch:
    description: Arguments of M(courier.mail.watch).
    type: dict
  zdkimfilter:
    description: Arguments of M(courier.mail.zdkimfilter).
    type: dict
attributes:
  action:
    support: full
    description: Runs on the controller.
  check_mode:
    support: full
    description: Does the same.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Refuse what would fail later
  courier.mail.validate:
    esmtproutes:
      routes: "{{ my_routes }}"
    values:
      values:
        sizelimit: 26214400
"""

RETURN = r"""
refused:
  description: The refusals, one sentence for each module that has one.
  returned: when something is refused
  type: list
  elements: str
  sample: ["sizelimit: Courier would read '25M' as 25 bytes; write 26214400"]
"""
