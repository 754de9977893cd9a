# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: tls_info
short_description: Say what each door of a mail server answers, and how long its certificate lasts
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Talks to each door once, as a client would, and shakes hands for TLS where it has TLS. A door that does not answer,
    or serves another certificate than the file has, is no failure of the module. The result says so.
options:
  doors:
    description: Where the daemons listen, as O(courier.mail.units#module:units[].answers) has it.
    type: list
    elements: dict
    required: true
    suboptions:
      protocol:
        description:
          - What is spoken there. V(authdaemon) is asked for an account that no host has, V(clamd) and V(spamd)
            whether they are there, V(courierfilter) for its verdict on messages, V(srs) for a sender that it must
            know again, and one that is forged, V(zdkimfilter) for a signature, V(fail2ban) for bans that reach the
            firewall and are taken back, V(tarbaby) to take a message, which it must not, V(dnsbl), a name server,
            for the test points of a list, and V(http), a web server, for anything.
        type: str
        choices:
          - smtp
          - imap
          - pop3
          - tarbaby
          - http
          - authdaemon
          - clamd
          - spamd
          - courierfilter
          - srs
          - zdkimfilter
          - fail2ban
          - dnsbl
        required: true
      address:
        description: The address, IPv4 or IPv6.
        type: str
        default: 127.0.0.1
      port:
        description: The port; needed by V(smtp), V(imap) and V(pop3).
        type: int
      tls:
        description: V(starttls) is a handshake after STARTTLS (STLS in POP3), V(implicit) one at once, V(none) none.
        type: str
        choices: [none, starttls, implicit]
        default: none
      certificate:
        description: A PEM file on the host. Its first certificate is the one that the handshake must bring.
        type: path
      socket:
        description:
          - Where those listen that have a path, if not on V(/run/courier/authdaemon/socket), V(/run/clamav/clamd.ctl),
            V(/run/spamd/spamd.sock), V(/var/lib/courier/allfilters/pythonfilter), V(/run/courier-forward/socket),
            V(/var/lib/courier/allfilters/000-zdkimfilter) and V(/run/fail2ban/fail2ban.sock).
        type: path
      recognises:
        description:
          - Whether a scanner must recognise the test pattern of its trade, which is EICAR for V(clamd) and
            GTUBE for V(spamd). clamd knows it from the official signatures.
        type: bool
        default: false
      refuses:
        description:
          - What a filter must refuse, beside letting a harmless message in. V(virus) is EICAR, V(program) an
            attachment that is called C(probe.exe), V(spam) is GTUBE. They come from a stranger.
        type: list
        elements: str
        choices: [virus, program, spam]
        default: []
      signs:
        description: Whether a filter must sign what a program of this host sends (DKIM).
        type: bool
        default: false
      defers:
        description:
          - Whether a filter may put off each of these messages for now, since a scanner that it asks has no signatures
            yet, or since strangers are to come again. What must be refused must still not be let in.
        type: bool
        default: false
      domain:
        description:
          - The domain whose mail V(zdkimfilter) must sign when somebody of it has logged in; needed by it. The
            signature must verify with the record that is beside the key, and where DNS publishes that,
            zdkimfilter must verify it too, and refute it when the text has changed.
        type: str
      jails:
        description: Jails that V(fail2ban) must have.
        type: list
        elements: str
        default: []
      account:
        description: An account that V(authdaemon) must know.
        type: str
extends_documentation_fragment: [courier.mail.looking]
"""

EXAMPLES = r"""
- name: See how long the certificate of the submission port lasts
  courier.mail.tls_info:
    doors:
      - {protocol: smtp, port: 587, tls: starttls, certificate: /etc/ssl/mail/mail.pem}
"""

RETURN = r"""
doors:
  description: What each of them answered, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    door:
      description: The door.
      type: str
      sample: smtp 127.0.0.1:587 STARTTLS
    ok:
      description: Whether it answered, with the certificate of the file.
      type: bool
    said:
      description: The TLS version, or what was wrong.
      type: str
      sample: TLSv1.3
    days:
      description: Whole days until the certificate of the file expires; nothing where there is none.
      type: int
    key_digest:
      description: SHA-256 of the public key in that certificate, in hexadecimal digits, as TLSA 3 1 1 has it.
      type: str
    certificate_digest:
      description: SHA-256 of that certificate (DER), in hexadecimal digits.
      type: str
    seconds:
      description: How long the answer took.
      type: float
"""

import hashlib
import ssl
import time
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import read
from ..module_utils._openssl import OpenSSL
from ..module_utils._pem import PemError, certificates
from ..module_utils._probe import PORT_REQUIRED, SPEC, Endpoint, NoAnswer, probe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "doors": {
                "type": "list",
                "elements": "dict",
                "options": SPEC,
                "required_if": PORT_REQUIRED,
                "required": True,
            },
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, doors=[ask(OpenSSL(module), door) for door in module.params["doors"]])


def ask(openssl: OpenSSL, door: dict[str, Any]) -> dict[str, Any]:
    start, days, digest, fingerprint, path = time.monotonic(), None, None, None, door["certificate"]
    endpoint = Endpoint(**door | {"certificate": None})
    try:
        if path:
            pem = certificates(read(path) or "", path)[0]
            days = (openssl.describe([pem])[0].not_after - datetime.now(UTC)).days
            digest = openssl.key_digest(pem)
            certificate = ssl.PEM_cert_to_DER_cert(pem)
            fingerprint = hashlib.sha256(certificate).hexdigest()
            endpoint = endpoint._replace(certificate=certificate)
        said, ok = probe(endpoint).removeprefix(str(endpoint)).strip() or "answers", True
    except (NoAnswer, PemError) as error:
        said, ok = str(error), False
    seconds = time.monotonic() - start
    return {
        "door": str(endpoint),
        "ok": ok,
        "said": said,
        "days": days,
        "key_digest": digest,
        "certificate_digest": fingerprint,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
