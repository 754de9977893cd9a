# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: letter_info
short_description: Say what became of letters on this host
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Looks for the letters of M(courier.mail.letter) in Courier's lines in the journal and in the mailboxes of this host,
    until it knows what became of each that was sent here and of each that has its mailbox here, or the time is over.
  - One that waits after its first try is tried again at once. Courier keeps connections for the next message, and a
    server that was restarted meanwhile has closed them, which would look as if mail were lost. Of other messages, what
    failed for that reason since then is tried again, too, since a report about a letter is among them.
  - Letters travel. On another host it is asked again with the ids by which that host knows them.
options:
  letters:
    description: What M(courier.mail.letter) returned, of all hosts together.
    type: list
    elements: dict
    required: true
  own:
    description: The marks of those that were handed to the Courier of this host.
    type: list
    elements: str
    default: []
  ids:
    description: Ids of messages that other hosts passed on to this one.
    type: list
    elements: str
    default: []
  since:
    description: The time in seconds since 1970 before which nothing is looked at.
    type: float
    required: true
  timeout:
    description: Seconds to wait.
    type: int
    default: 60
  imap:
    description: How to look for letters to one address by IMAP.
    type: dict
    suboptions:
      user:
        description: The address.
        type: str
        required: true
      password:
        description: Its password.
        type: str
        required: true
      port:
        description: The port of this host, where TLS begins at once.
        type: int
        default: 993
      certificate:
        description: A PEM file. Its first certificate is the one that the handshake must bring.
        type: path
        required: true
attributes:
  check_mode:
    support: full
    description: Looks all the same. Nothing is tried again.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Say what became of them
  courier.mail.letter_info:
    letters: "{{ sent.letters }}"
    own: "{{ sent.letters | map(attribute='mark') }}"
    since: "{{ ansible_facts['date_time']['epoch'] }}"
"""

RETURN = r"""
deliveries:
  description: What the journal says of them, one entry for each message and recipient.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: How Courier calls it.
      type: str
    mark:
      description: The mark, where the letter was handed to this host's Courier.
      type: str
    recipient:
      description: The recipient, after aliases.
      type: str
    outcome:
      description: One of delivered, passed, waiting, refused, or empty where nothing is known yet.
      type: str
    said:
      description: The reply or the reason.
      type: str
    peer:
      description: The host that took it.
      type: str
    next_id:
      description: How that host calls it, if it is a Courier.
      type: str
    at:
      description: When, in seconds since 1970.
      type: float
found:
  description: The letters in mailboxes, and reports about letters.
  returned: success
  type: list
  elements: dict
  contains:
    mark:
      description: The mark of the letter.
      type: str
    mailbox:
      description: Whose mailbox it is.
      type: str
    folder:
      description: The folder.
      type: str
    report:
      description: Whether it is a report about the letter.
      type: bool
    tls:
      description: The TLS version over which this host took it.
      type: str
    at:
      description: When it came, in seconds since 1970.
      type: float
mailboxes:
  description: The addresses of the letters that have a mailbox here.
  returned: success
  type: list
  elements: str
read:
  description: What became of the look by IMAP.
  returned: with O(imap)
  type: dict
  contains:
    ok:
      description: Whether the letters to the address are there.
      type: bool
    said:
      description: What was seen.
      type: str
    seconds:
      description: How long it took.
      type: float
"""

import imaplib
import re
import time
from collections.abc import Collection, Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.journal import CLOSED, IDENTIFIERS, Delivery, read, sent_by
from ..module_utils._letters import find, mailboxes, refuse_another
from ..module_utils._pem import PemError
from ..module_utils._probe import context
from ..module_utils._watch._trace_journal import users

PAUSE = 1.0
PATIENCE = 30

IMAP = {
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "port": {"type": "int", "default": 993},
    "certificate": {"type": "path", "required": True},
}
SPEC = {
    "letters": {"type": "list", "elements": "dict", "required": True},
    "own": {"type": "list", "elements": "str", "default": []},
    "ids": {"type": "list", "elements": "str", "default": []},
    "since": {"type": "float", "required": True},
    "timeout": {"type": "int", "default": 60},
    "imap": {"type": "dict", "options": IMAP},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    sent = [letter for letter in module.params["letters"] if letter["accepted"]]
    own = [letter for letter in sent if letter["mark"] in module.params["own"]]
    asked = mailboxes(module, sorted({letter["mailbox"] for letter in sent if letter["mailbox"]}))
    here = {mailbox.address for mailbox in asked}
    awaited = {(letter["mark"], letter["proof"] == "report") for letter in sent if letter["mailbox"] in here}
    marks = [letter["mark"] for letter in sent]
    again: dict[str, float] = {}  # when a letter that waited was to be tried again, by id

    deadline = time.monotonic() + module.params["timeout"]
    while True:
        deliveries = read(journal(module))
        names = {letter["id"] or sent_by(deliveries, *moment(letter)): letter["mark"] for letter in own}
        passed = passed_on(own, deliveries, names)
        wanted = {*filter(None, names), *passed, *module.params["ids"]}
        ours = [delivery for delivery in deliveries if delivery.id in wanted]
        found = [one for mailbox in asked for one in find(mailbox, marks, module.params["since"])]
        known = {delivery.id for delivery in ours}
        waits = [one.id for one in ours if one.outcome == "waiting"]
        # A report about a letter is a message of its own.
        waits += [one.id for one in deliveries if one.said == CLOSED]
        if waiting := [one for one in waits if one not in again]:
            again |= dict.fromkeys(waiting, 0.0 if module.check_mode else time.time())
            try_again(module, waiting)
        if (
            "" not in names
            and wanted <= known
            and all(ended(delivery, again) for delivery in ours)
            and {letter["mark"] for letter in own if letter.get("passes_to")} <= set(passed.values())
            and awaited <= {(one.mark, one.report) for one in found}
        ) or time.monotonic() > deadline:
            break
        time.sleep(PAUSE)

    result: dict[str, Any] = {
        "deliveries": [
            delivery._asdict() | {"next_id": delivery.next_id, "mark": (names | passed).get(delivery.id, "")}
            for delivery in ours
        ],
        "found": [one._asdict() for one in found],
        "mailboxes": sorted(here),
    }
    if module.params["imap"]:
        inbox = [
            one.mark
            for one in found
            if one.folder == "INBOX" and not one.report and one.mailbox == module.params["imap"]["user"]
        ]
        result["read"] = {"user": module.params["imap"]["user"]} | look(inbox, **module.params["imap"])
    module.exit_json(changed=False, **result)


def ended(delivery: Delivery, again: dict[str, float]) -> bool:
    """Whether there is nothing more to hear of it: what waits has been tried twice."""
    return delivery.settled and (delivery.outcome != "waiting" or delivery.at > again[delivery.id])


def try_again(module: AnsibleModule, ids: Collection[str]) -> None:
    """Have Courier try these messages now. It knows a message by a longer name than it tells others."""
    if module.check_mode:
        return
    queue = re.findall(r"^[^;]*;([0-9A-F.]+);", module.run_command(["mailq", "-batch"])[1], re.MULTILINE)
    for name in queue:
        if name.partition(".")[2] in ids:
            module.run_command(["courier", "flush", name])


def passed_on(
    letters: Iterable[dict[str, Any]], deliveries: Iterable[Delivery], known: Collection[str]
) -> dict[str, str]:
    """The messages that letters became on their way to somebody elsewhere, by id, and the marks of those letters.

    The forwarding service hands in a message of its own, of which the journal has no mark: only who gets it, and when.
    """
    return {
        delivery.id: letter["mark"]
        for letter in letters
        if letter.get("passes_to")
        for delivery in deliveries
        if delivery.recipient.lower() == letter["passes_to"].lower()
        and delivery.moment >= int(letter["began"])
        and delivery.id not in known
    }


def journal(module: AnsibleModule) -> list[str]:
    identifiers = [argument for identifier in IDENTIFIERS for argument in ("-t", identifier)]
    since = f"--since=@{int(module.params['since'])}"
    # Anybody may call himself courierd; the number of the user is the kernel's word.
    numbers = sorted({number for said in IDENTIFIERS for number in (users() or {}).get(said, ())})
    believed = [f"_UID={number}" for number in numbers]
    command = ["journalctl", "--no-pager", "--quiet", "-o", "short-unix", since, *identifiers, *believed]
    code, stdout, stderr = module.run_command(command, errors="surrogate_then_replace")
    if code != 0 and stderr.strip():
        module.fail_json(msg=f"journalctl: {stderr.strip().splitlines()[-1]}")
    return str(stdout).splitlines()


def moment(letter: dict[str, Any]) -> tuple[str, str, float, float]:
    return letter["sender"], letter["recipient"], letter["began"], letter["ended"]


def look(wanted: list[str], user: str, password: str, port: int, certificate: str) -> dict[str, Any]:
    """Whether the letters to an address can be read by IMAP."""
    start = time.monotonic()
    ok, said = False, ""
    try:
        with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context(), timeout=PATIENCE) as imap:
            refuse_another(imap.sock, certificate)
            imap.login(user, password)
            imap.select(readonly=True)
            there = [mark for mark in wanted if imap.search(None, "SUBJECT", mark)[1] not in ([b""], [None])]
            ok = bool(there) and there == wanted
            said = f"{len(there)} of {len(wanted)} letters read"
    except (OSError, imaplib.IMAP4.error, PemError) as error:
        said = str(error)
    return {"ok": ok, "said": said, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    main()
