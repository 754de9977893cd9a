# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: letter
short_description: Send letters that only show that mail flows, and take them out of mailboxes again
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Each letter carries a mark that no other text in the world has, in its subject, Message-ID and body. By it
    M(courier.mail.letter_info) says what became of the letter.
  - A letter that a server does not take is no failure of the module. The result says what the server said.
options:
  letters:
    description: The letters, sent one after the other. Needed for O(state=present).
    type: list
    elements: dict
    suboptions:
      direction:
        description: What the letter is to prove, for people to read.
        type: str
        default: ""
      sender:
        description: Sender of the envelope. Empty is the null sender.
        type: str
        default: ""
      recipient:
        description: The one recipient.
        type: str
        required: true
      proof:
        description:
          - What shall become of it. V(mailbox) is that it gets into a mailbox, V(outside) that a host which is none of
            ours takes it, V(report) that a report about it gets into a mailbox.
        type: str
        choices: [mailbox, outside, report]
        default: mailbox
      mailbox:
        description: The address whose mailbox gets the letter, or the report about it.
        type: str
        default: ""
      passes_to:
        description: The address elsewhere to which the recipient's mail goes on, where the letter is to prove that.
        type: str
        default: ""
      host:
        description: The host to send it to by SMTP. Without one it is handed to this host's own C(sendmail).
        type: str
        default: ""
      port:
        description: The port there.
        type: int
        default: 25
      tls:
        description: V(starttls) is a handshake after STARTTLS, V(implicit) one at once, V(none) none.
        type: str
        choices: [none, starttls, implicit]
        default: starttls
      certificate:
        description:
          - A PEM file on this host. Its first certificate is the one that the handshake must bring. Needed for a login.
        type: path
      user:
        description: Who logs in. Empty is nobody.
        type: str
        default: ""
      password:
        description: With which password.
        type: str
      skipped:
        description: Why the letter is not sent, where that is so. It is only handed on.
        type: str
        default: ""
  state:
    description:
      - V(present) sends. V(absent) takes the letters with these marks out of mailboxes of this host, and the reports
        about them as well.
    type: str
    choices: [present, absent]
    default: present
  marks:
    description: Marks of letters that were sent. Needed for O(state=absent).
    type: list
    elements: str
  mailboxes:
    description:
      - Addresses in whose mailboxes they may be. Needed for O(state=absent). One that has none here is passed over.
    type: list
    elements: str
  since:
    description: For O(state=absent), the time in seconds since 1970 before which nothing is looked at.
    type: float
    default: 0
  timeout:
    description: Seconds that a server may take for one answer.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    description: Says what would be sent, with marks that no letter gets. Nothing is taken out.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Send one as the host's programs do, and one as a mail program does
  courier.mail.letter:
    letters:
      - {direction: local, sender: root@mx1.example.com, recipient: alice@example.com, mailbox: alice@example.com}
      - direction: submission
        sender: alice@example.com
        recipient: alice@example.com
        mailbox: alice@example.com
        host: 127.0.0.1
        port: 587
        certificate: /etc/ssl/mail/mail.pem
        user: alice@example.com
        password: "{{ vault_alice }}"
  register: sent
"""

RETURN = r"""
letters:
  description: The letters as given, without passwords.
  returned: when they were sent
  type: list
  elements: dict
  contains:
    mark:
      description: The mark of the letter.
      type: str
    accepted:
      description: Whether the server took it.
      type: bool
    reached:
      description: Whether a server answered at all. One that refuses the connection counts as an answer.
      type: bool
    said:
      description: The last thing that was said, or why nothing was.
      type: str
    id:
      description: How the Courier that took it calls it. C(sendmail) does not tell.
      type: str
    began:
      description: When it was sent, in seconds since 1970.
      type: float
    ended:
      description: When it was taken.
      type: float
removed:
  description: The files that were taken out of mailboxes.
  returned: with O(state=absent)
  type: list
  elements: str
"""

import errno
import secrets
import smtplib
import socket
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.journal import id_told
from ..module_utils._letters import compose, find, mailboxes, refuse_another, remove
from ..module_utils._pem import PemError
from ..module_utils._probe import context

SENDMAIL = "/usr/sbin/sendmail"

LETTER = {
    "direction": {"type": "str", "default": ""},
    "sender": {"type": "str", "default": ""},
    "recipient": {"type": "str", "required": True},
    "proof": {"type": "str", "choices": ["mailbox", "outside", "report"], "default": "mailbox"},
    "mailbox": {"type": "str", "default": ""},
    "passes_to": {"type": "str", "default": "", "no_log": False},
    "host": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 25},
    "tls": {"type": "str", "choices": ["none", "starttls", "implicit"], "default": "starttls"},
    "certificate": {"type": "path"},
    "user": {"type": "str", "default": ""},
    "password": {"type": "str", "no_log": True},
    "skipped": {"type": "str", "default": ""},
}
SPEC = {
    "letters": {"type": "list", "elements": "dict", "options": LETTER},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "marks": {"type": "list", "elements": "str"},
    "mailboxes": {"type": "list", "elements": "str"},
    "since": {"type": "float", "default": 0},
    "timeout": {"type": "int", "default": 20},
}
KNOCK = 5.0  # seconds
TOLD = ("direction", "sender", "recipient", "proof", "mailbox", "passes_to", "host", "port", "skipped")


class RefusedError(Exception):
    """What a server said instead of taking a letter."""


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[("state", "present", ("letters",)), ("state", "absent", ("marks", "mailboxes"))],
        supports_check_mode=True,
    )
    if module.params["state"] == "absent":
        removed = [] if module.check_mode else take_out(module)
        module.exit_json(changed=bool(removed), removed=removed)
    letters = module.params["letters"]
    for letter in letters:
        if letter["user"] and (letter["tls"] == "none" or not letter["certificate"]):
            module.fail_json(
                msg=f"{letter['direction'] or letter['recipient']}: a password goes only to a server that "
                "proves itself; write tls starttls or implicit, and the certificate of the server"
            )
    sent = [send(module, letter) for letter in letters]
    module.exit_json(changed=any(not letter["skipped"] for letter in letters), letters=sent)


def send(module: AnsibleModule, letter: dict[str, Any]) -> dict[str, Any]:
    result = {key: letter[key] for key in TOLD} | {
        "mark": secrets.token_hex(12),
        "accepted": False,
        "reached": False,
        "said": letter["skipped"],
        "id": "",
        "began": time.time(),
        "ended": time.time(),
    }
    if letter["skipped"]:
        return result
    if module.check_mode:
        return result | {"skipped": "would be sent"}
    message = compose(result["mark"], letter["sender"], letter["recipient"], socket.getfqdn())
    try:
        said = (
            by_smtp(letter, message, module.params["timeout"])
            if letter["host"]
            else by_sendmail(module, letter, message)
        )
        result |= {"accepted": True, "reached": True, "said": said, "id": id_told(said)}
    except (OSError, smtplib.SMTPException, PemError, RefusedError) as error:
        result |= {"said": words(error), "reached": not letter["host"] or answers(letter["host"], letter["port"])}
    return result | {"ended": time.time()}


def answers(host: str, port: int) -> bool:
    """Whether anything came back. A network may let nothing out on port 25, which says nothing of the host."""
    try:
        socket.create_connection((host, port), KNOCK).close()
    except (TimeoutError, socket.gaierror):
        return False
    except OSError as error:
        return error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    return True


def by_sendmail(module: AnsibleModule, letter: dict[str, Any], message: bytes) -> str:
    command = [SENDMAIL, "-i", "-f", letter["sender"], letter["recipient"]]
    code, _stdout, stderr = module.run_command(command, data=message, binary_data=True)
    if code != 0:
        raise RefusedError(" ".join(stderr.split()) or f"sendmail ended with {code}")
    return "taken by sendmail"


def by_smtp(letter: dict[str, Any], message: bytes, timeout: int) -> str:
    """What the server said when it took a message."""
    # As the world does: whoever it is. Before a password is said, the certificate is looked at.
    server = (letter["host"], letter["port"])
    with (
        smtplib.SMTP_SSL(*server, timeout=timeout, context=context())
        if letter["tls"] == "implicit"
        else smtplib.SMTP(*server, timeout=timeout)
    ) as smtp:
        if letter["tls"] == "starttls":
            smtp.starttls(context=context())
        if letter["certificate"]:
            refuse_another(smtp.sock, letter["certificate"])
        if letter["user"]:
            smtp.login(letter["user"], letter["password"] or "")
        smtp.ehlo_or_helo_if_needed()
        for code, said in (smtp.mail(letter["sender"]), smtp.rcpt(letter["recipient"]), smtp.data(message)):
            if code // 100 != 2:
                raise RefusedError(f"{code} {said.decode(errors='replace')}")
        return f"{code} {said.decode(errors='replace')}"


def words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
    if isinstance(error, TimeoutError):
        return "no answer"
    return getattr(error, "strerror", None) or str(error)


def take_out(module: AnsibleModule) -> list[str]:
    removed = []
    for mailbox in mailboxes(module, module.params["mailboxes"]):
        found = find(mailbox, module.params["marks"], module.params["since"])
        remove(mailbox, found)
        removed += [letter.path for letter in found]
    return removed


if __name__ == "__main__":
    main()
