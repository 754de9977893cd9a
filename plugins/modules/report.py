# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write the report of a site, as a page and as data
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes one HTML page of what M(courier.mail.report_info) returned of the hosts of a site. It needs no script, and
    nothing from elsewhere. Beside it is a file with the same as JSON, as docs/report.schema.json describes it.
  - Each site has a report of its own. The names of its files end with that of the site, where it has one.
  - Runs on the controller. All that hosts told is text to it, whoever wrote it there.
options:
  hosts:
    description: The hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      site:
        description: The site that it belongs to. Empty is one without a name.
        type: str
        default: ""
      kind:
        description: What it is, for people to read.
        type: str
        default: ""
      domains:
        description: Domains whose addresses have mailboxes there.
        type: list
        elements: str
        default: []
      report:
        description: RV(courier.mail.report_info#module:report). Without it, nothing could be asked there.
        type: dict
      troubles:
        description: RV(courier.mail.report_info#module:troubles).
        type: dict
      seconds:
        description: RV(courier.mail.report_info#module:seconds).
        type: dict
      mailboxes:
        description: RV(courier.mail.mailbox_info#module:mailboxes). Without it, the page has no part about them.
        type: list
        elements: dict
  directory:
    description: Where the files go, on the controller. A relative one begins where C(ansible-playbook) was started.
    type: path
    default: "."
  days:
    description: How many days were asked for.
    type: int
    default: 7
  limits:
    description:
      - From when on something needs a human. V(certificate_days), 14, that a certificate still lasts; V(backup_hours),
        26, since the last backup; V(drill_days), 31, since a restore was proved; V(queue_hours), 4, of the oldest
        message; V(queue_messages), 100, that wait; V(fetched_hours), 24, since a mailbox elsewhere was reached;
        V(place_percent), 85, of a file system that are used.
    type: dict
    default: {}
attributes:
  action:
    support: full
    description: Runs on the controller.
  check_mode:
    support: full
    description: Says which files it would write.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Write the report
  courier.mail.report:
    hosts:
      - {name: mx1.example.com, kind: hub, domains: [example.com], report: "{{ known.report }}"}
    directory: /srv/reports
"""

RETURN = r"""
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [/srv/reports/report.html, /srv/reports/report.json]
needs:
  description:
    - What needs a human, the worst first.
    - Each has C(state) (bad, soon or unknown), C(host), C(part), C(subject) and C(said).
  returned: success
  type: list
  elements: dict
table:
  description: The files, and the same in lines for people.
  returned: success
  type: list
  elements: str
"""
