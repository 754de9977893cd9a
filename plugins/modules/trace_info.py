# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: trace_info
short_description: Say what became of a message, by the journal of this host
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Looks for messages in the lines of Courier, of the filters and of the forwarding service, and follows them to their
    recipients, to what the forwarding service made of them, and to the reports about them. C(mailtrace) on the host is
    the same.
  - What was refused while the sender was on the line never was a message, and is under RV(refusals).
  - Lines count only if the kernel says that they are of a user who may write them.
  - Whatever is given must fit.
  - What was typed at a failed login, of which Courier logs a part, is never returned.
options:
  id:
    description:
      - Courier's id, with three parts or the last two, a Message-ID, or the id by which another host took it.
      - A Message-ID is known where the filter C(log) has seen the message.
    type: str
  address:
    description:
      - An address of the envelope, of the header's From or To, of what was written before aliases, or an account that
        logged in.
      - It is looked for as it is and in lower case.
    type: str
  host:
    description: Address or name of the client, what it calls itself, or the name of the host that took the message.
    type: str
  since:
    description:
      - Nothing before this time is looked for. Messages that are found are followed all the same.
      - C(2026-11-26 10:02) and C(10:02) in the time of the host, C(30m), C(2h) or C(3d) for so long ago, or seconds
        since 1970.
    type: str
  until:
    description: Nothing after this time is looked for.
    type: str
  most:
    description: How many messages, and how many refusals, the newest; from 1 to 200.
    type: int
    default: 20
extends_documentation_fragment: [courier.mail.looking]
requirements:
  - journalctl, and the right to read the journal; for the times of further tries also that to read Courier's queue
"""

EXAMPLES = r"""
- name: Say what became of Bob's mail of the last hour
  courier.mail.trace_info:
    address: bob@example.com
    since: 1h
  register: trace

- name: Show it
  ansible.builtin.debug:
    msg: "{{ trace.text.splitlines() }}"
"""

RETURN = r"""
messages:
  description: The messages, and those that they became or came of, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: How Courier calls it.
      type: str
      sample: 000000006B069D9B.00000B81
    came:
      description: When, in seconds since 1970.
      type: float
    how:
      description: How it came, in words.
      type: str
    sender:
      description: The sender of the envelope; empty for a report.
      type: str
    message_id:
      description: Its Message-ID, or the first 200 characters of it.
      type: str
    header_from:
      description: The addresses in From.
      type: list
      elements: str
    header_to:
      description: The addresses in To, as many as the log has room for.
      type: list
      elements: str
    written:
      description: The recipients before aliases, or what the client claims that they were.
      type: list
      elements: str
    client:
      description: The address of the host that it came from.
      type: str
    helo:
      description: What that host calls itself.
      type: str
    login:
      description: Who logged in.
      type: str
    listener:
      description: Where it came in, such as C(port 587).
      type: str
    tls:
      description: The version of TLS; empty where there was none, or it is not known.
      type: str
    mailbox:
      description: The mailbox elsewhere that it was fetched from.
      type: str
    size:
      description: In bytes; 0 where the filter log does not know it.
      type: int
    filtered:
      description: Whether it is known what the filters said.
      type: bool
    filters:
      description: What each filter said.
      type: dict
    recipients:
      description: Each recipient.
      type: list
      elements: dict
      contains:
        address:
          description: Its address, after aliases.
          type: str
        state:
          description: One of delivered, forwarded, passed, waiting, refused, or empty where nothing is known yet.
          type: str
        verdict:
          description: What became of it, in words.
          type: str
        next:
          description: When it is tried next, in seconds since 1970; 0 where that is not known.
          type: float
        became:
          description: The ids of what the forwarding service made of it.
          type: list
          elements: str
        attempts:
          description: Each try, with RV(ignore:at), RV(ignore:ended), RV(ignore:host), RV(ignore:peer),
            RV(ignore:outcome) and RV(ignore:said).
          type: list
          elements: dict
    nobody:
      description: Why no recipient is known, in words; empty where there are some.
      type: str
    reports:
      description: The ids of the reports that went to the sender.
      type: list
      elements: str
    warnings:
      description: The ids of the reports that only say that it takes long.
      type: list
      elements: str
    came_of:
      description: The id of the message that it is a copy of, or a report about.
      type: str
refusals:
  description: What was refused before there was a message, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: When, in seconds since 1970.
      type: float
    client:
      description: The address of the client.
      type: str
    port:
      description: The port that it came from.
      type: int
    sender:
      description: The sender, as far as it was known.
      type: str
    recipient:
      description: The recipient, as far as it was known.
      type: str
    command:
      description: The first word of what was refused; never what was typed.
      type: str
    account:
      description: The account that the client wanted to be, where it is O(address). Others are not told.
      type: str
    reply:
      description: What the client was told.
      type: str
    verdict:
      description: The same in a sentence.
      type: str
begins:
  description: When the journal begins, in seconds since 1970.
  returned: where there is a journal
  type: float
more:
  description: Whether there are older ones.
  returned: success
  type: bool
said:
  description: What else there is to say, such as how far the journal goes back.
  returned: success
  type: str
text:
  description: All of it for people.
  returned: success
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._watch._trace_search import MOST, JournalError, QueryError, query, trace
from ..module_utils._watch._trace_story import as_text

SPEC = {
    "id": {"type": "str"},
    "address": {"type": "str"},
    "host": {"type": "str"},
    "since": {"type": "str"},
    "until": {"type": "str"},
    "most": {"type": "int", "default": MOST},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, required_one_of=[("id", "address", "host")], supports_check_mode=True)
    try:
        found = trace(query(module.params, time.time()))
    except (QueryError, JournalError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, text=as_text(found), **found)


if __name__ == "__main__":
    main()
