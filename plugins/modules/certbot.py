# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: certbot
short_description: Have a certificate that certbot gets and renews, and somebody who hears when that failed
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Asks an ACME authority for a certificate, by certbot, when there is none, when it was got in another way than the
    one wanted, and when it is in the last quarter of its life, which the timer of Debian's package should not have
    let happen. Otherwise nothing is asked of the authority.
  - certbot remembers how it got the certificate, and renews it in the same way. A change of any option but O(contact)
    and O(on_failure) therefore gets another certificate.
  - The certificate is proved by HTTP at port 80 of each of its names, which all must lead to this host.
  - A renewal that failed is a unit of systemd that failed, in a journal that nobody reads. So C(certbot.service) is
    made to start another unit then, which runs O(on_failure).
  - certbot ends well if its hook failed. O(hook) has to see itself that somebody hears of it, for which it may start
    C(courier-certificate-report.service).
requirements:
  - certbot 2 or newer
  - openssl
options:
  state:
    description:
      - V(absent) makes certbot forget the certificate and its key, and takes the units away. The account at the
        authority stays, as do certificates of other lineages.
    type: str
    choices: [present, absent]
    default: present
  lineage:
    description: certbot's name for the certificate and those that follow it, the directory in C(/etc/letsencrypt/live).
    type: str
    default: courier-mail
  names:
    description: Host names that the certificate is for, these and no others.
    type: list
    elements: str
    default: []
  contact:
    description:
      - Mail address that the account at the authority is made with. An authority that has an account already is not
        told of another address.
    type: str
    default: ""
  server:
    description: The ACME directory of the authority.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  challenge:
    description:
      - V(standalone) answers the authority by a server of certbot's own, and nobody else may listen on port 80.
      - V(webroot) leaves the answer in O(webroot) for the web server that does.
    type: str
    choices: [standalone, webroot]
    default: standalone
  webroot:
    description: The directory that the web server of the host shows at C(http://NAME/), with O(challenge=webroot).
    type: path
  own_webroot:
    description:
      - Whether O(webroot) is the directory of the web server of the role nginx, which may come later. Until then the
        module shows the directory itself.
    type: bool
    default: false
  replaces:
    description:
      - A file that only the web server of the role nginx has. Where it exists, with O(challenge=standalone), that is
        stopped when a certificate is asked for, since it is wanted no more and has port 80.
    type: path
    default: ""
  key_type:
    description: Type of the key, of the curve P-256 or of 2048 bits.
    type: str
    choices: [ecdsa, rsa]
    default: ecdsa
  reuse_key:
    description: Whether each renewal keeps the key, for names whose TLSA records say which it is.
    type: bool
    default: false
  hook:
    description: Command that certbot runs when it has a new certificate, with C(RENEWED_LINEAGE) in its environment.
    type: str
    default: ""
  on_failure:
    description: Command that systemd runs when C(certbot.service) failed. It begins with an absolute path.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says whether a certificate would be asked for. Refuses where the challenge could not be answered.
  diff_mode:
    support: full
    description: Shows the units.
"""

EXAMPLES = r"""
- name: Have a certificate for both names
  courier.mail.certbot:
    names: [mx.example.org, imap.example.org]
    contact: postmaster@example.org
    challenge: webroot
    webroot: /var/www/html
    hook: /usr/local/lib/serve-certificate
    on_failure: /usr/local/lib/tell postmaster@example.org

- name: Leave certificates to somebody else
  courier.mail.certbot:
    state: absent
"""

RETURN = r"""
files:
  description: The units that changed, or would.
  returned: success
  type: list
  elements: str
  sample: []
reasons:
  description: Why a certificate was asked for, or would be.
  returned: success
  type: list
  elements: str
  sample: [key_type is rsa and not ecdsa]
key_path:
  description: Where the key is.
  returned: with O(state=present)
  type: str
  sample: /etc/letsencrypt/live/courier-mail/privkey.pem
chain_path:
  description: Where the certificate and its intermediates are.
  returned: with O(state=present)
  type: str
  sample: /etc/letsencrypt/live/courier-mail/fullchain.pem
"""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._certbot import (
    REPORT,
    Order,
    answering,
    command,
    complaint,
    needs_reload,
    reasons,
    refuse_hopeless,
    settings,
    units,
)
from ..module_utils._managed_file import File, Files, ensure, read
from ..module_utils._openssl import OpenSSL
from ..module_utils._pem import Certificate, PemError, certificates

LETSENCRYPT = "/etc/letsencrypt"
SYSTEMD = "/etc/systemd/system"
OWNER = "root"

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "lineage": {"type": "str", "default": "courier-mail"},
    "names": {"type": "list", "elements": "str", "default": []},
    "contact": {"type": "str", "default": ""},
    "server": {"type": "str", "default": "https://acme-v02.api.letsencrypt.org/directory"},
    "challenge": {"type": "str", "choices": ["standalone", "webroot"], "default": "standalone"},
    "webroot": {"type": "path"},
    "own_webroot": {"type": "bool", "default": False},
    "replaces": {"type": "path", "default": ""},
    "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa", "no_log": False},
    "reuse_key": {"type": "bool", "default": False, "no_log": False},
    "hook": {"type": "str", "default": ""},
    "on_failure": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        files = plan(module.params).files
    except ValueError as error:
        module.fail_json(msg=str(error))
    if module.params["state"] == "absent":
        asked = _forget(module)
        answer: dict[str, Any] = {}
    else:
        asked = _have(module)
        live = f"{LETSENCRYPT}/live/{module.params['lineage']}"
        answer = {"key_path": f"{live}/privkey.pem", "chain_path": f"{live}/fullchain.pem"}
    answer |= _report(module, files)
    module.exit_json(**answer | {"changed": answer["changed"] or bool(asked), "reasons": asked})


def plan(params: dict[str, Any]) -> Files:
    """The units that report; refuses what certbot would be asked in vain."""
    if params["state"] == "present":
        refuse_hopeless(_order(params))
        if params["own_webroot"] and params["challenge"] == "standalone":
            raise ValueError(
                "certificates_acme_challenge is standalone, which needs port 80 at each renewal, and the web server of "
                "the role nginx has it; leave the challenge out, or do without what nginx shows (mail_autoconfig, "
                "mail_webmail)"
            )
    texts = units(params["on_failure"])
    present = params["state"] == "present"
    return Files(
        [File(f"{SYSTEMD}/{name}", text if present else None, OWNER, OWNER, 0o644) for name, text in texts.items()]
    )


def _order(params: dict[str, Any]) -> Order:
    return Order(**{name: params[name] for name in Order._fields})


def _renewal(module: AnsibleModule) -> str:
    return f"{LETSENCRYPT}/renewal/{module.params['lineage']}.conf"


def _have(module: AnsibleModule) -> list[str]:
    """Ask for a certificate if there is a reason, and say which."""
    order = _order(module.params)
    found = settings(read(_renewal(module)) or "")
    wanting = reasons(order, found, _leaf(module), datetime.now(UTC))
    if not wanting:
        return []
    if order.challenge == "webroot" and not module.params["own_webroot"] and not os.path.isdir(str(order.webroot)):
        module.fail_json(
            msg=f"certificates_acme_webroot is {order.webroot}, and this host has no such directory; "
            "write the one that its web server shows at http://NAME/"
        )
    replaced = order.challenge == "standalone" and os.path.exists(module.params["replaces"])
    if order.challenge == "standalone" and not replaced and not _port_is_free(80):
        module.fail_json(
            msg="the challenge standalone needs port 80, and another program listens there (ss -ltnp sport = :80); "
            "stop that, or use its directory with certificates_acme_challenge: webroot"
        )
    if module.check_mode:
        return wanting
    if not module.get_bin_path("certbot"):
        module.fail_json(msg="certbot is not there to ask for a certificate; install it")
    if replaced:
        module.run_command(["systemctl", "stop", "nginx.service"])
    with answering(order.webroot) if module.params["own_webroot"] and _port_is_free(80) else contextlib.nullcontext():
        code, stdout, stderr = module.run_command(command(order, found))
    if code != 0:
        module.fail_json(msg=f"no certificate for {', '.join(order.names)}: {complaint(stdout + stderr)}")
    return wanting


def _leaf(module: AnsibleModule) -> Certificate | None:
    """What is known of the certificate that certbot keeps."""
    chain = read(f"{LETSENCRYPT}/live/{module.params['lineage']}/fullchain.pem")
    try:
        return OpenSSL(module).describe(certificates(chain or "", "the chain")[:1])[0]
    except PemError:
        return None


def _port_is_free(port: int) -> bool:
    """Whether certbot could listen. It is content with one address family, but the authority may come by the other."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(("", port))
                probe.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


def _forget(module: AnsibleModule) -> list[str]:
    """Have certbot forget the certificate, which is then renewed no more."""
    # Without certbot, what it left behind is of no consequence.
    if not os.path.exists(_renewal(module)) or not module.get_bin_path("certbot"):
        return []
    if not module.check_mode:
        module.run_command(
            ["certbot", "delete", "--non-interactive", "--cert-name", module.params["lineage"]], check_rc=True
        )
    return ["it is not wanted any more"]


def _report(module: AnsibleModule, files: Sequence[File]) -> dict[str, Any]:
    """Write the units or remove them, and have systemd read them, also after a run that died in between."""
    directory = os.path.dirname(files[-1].path)
    if module.params["state"] == "present" and not module.check_mode:
        os.makedirs(directory, mode=0o755, exist_ok=True)
    answer = ensure(module, files)
    if module.params["state"] == "absent" and not module.check_mode:
        with contextlib.suppress(OSError):  # there is none, or something of somebody else's is in it
            os.rmdir(directory)
    if module.check_mode or not module.get_bin_path("systemctl"):
        return answer
    shown = module.run_command(["systemctl", "show", "--property=NeedDaemonReload", "certbot.service", REPORT])[1]
    if answer["changed"] or needs_reload(shown):
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
        answer["changed"] = True
    return answer


if __name__ == "__main__":
    main()
