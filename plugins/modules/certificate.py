# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Put a key and its certificates where Courier's daemons read them
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Courier takes its private key, its certificate and the chain from one PEM file, in this order, that the setting
    C(TLS_CERTFILE) of C(esmtpd), C(esmtpd-ssl), C(imapd-ssl) and C(pop3d-ssl) names.
  - Courier is silent about a bad one. Where the file is missing or unreadable it does not offer STARTTLS, and where the
    file is unfit the handshake ends without a line in the log. So this module looks at everything before it writes.
  - The key and the certificates are given as texts, or as files on the host (what an ACME client keeps), or not at
    all. Then a self-signed certificate is made, and kept as long as it serves.
  - Courier starts C(couriertls) for each connection, which reads the file anew; daemons that keep the certificate
    in memory need a restart.
requirements:
  - openssl
  - certtool (package gnutls-bin) for O(dhparams)
options:
  path:
    description: The file that holds the private key, the certificate and the chain; its mode is C(0640).
    type: path
    required: true
  certificate_path:
    description: A second file with the certificate and the chain only, for whoever verifies; its mode is C(0644).
    type: path
  names:
    description:
      - Host names that the certificate must be for. They are looked for in its subjectAltName only, as mail clients do,
        and a wildcard there stands for one label.
    type: list
    elements: str
    required: true
  key:
    description: The private key, in PEM and without a passphrase.
    type: str
  chain:
    description: The certificate and then those that signed it, each signed by the next, in PEM; the root is not needed.
    type: str
  key_path:
    description:
      - A file on the host that holds the private key, such as C(/etc/letsencrypt/live/mx.example.org/privkey.pem).
    type: path
  chain_path:
    description: A file on the host that holds the chain, such as C(/etc/letsencrypt/live/mx.example.org/fullchain.pem).
    type: path
  key_type:
    description:
      - The key of a self-signed certificate, V(ec) for the curve P-256 or V(rsa) for 3072 bits.
    type: str
    choices: [ec, rsa]
    default: ec
  days:
    description: How many days a self-signed certificate is valid.
    type: int
    default: 825
  renew_days:
    description: A self-signed certificate is made anew when it has no more than this number of days left.
    type: int
    default: 30
  dhparams:
    description:
      - A file for Diffie-Hellman parameters, the setting C(TLS_DHPARAMS). If it is missing or has fewer than 2048 bits,
        the group ffdhe3072 of RFC 7919 is written, as C(certtool) of the package gnutls-bin knows it.
    type: path
  owner:
    description: Owner of the files.
    type: str
    default: root
  group:
    description: Group of the files. Courier's daemons read them as this group.
    type: str
    default: courier
attributes:
  check_mode:
    support: full
    description: Where a self-signed certificate would be made, nothing can be said of it yet.
  diff_mode:
    support: full
    description: Private keys are left out.
"""

EXAMPLES = r"""
- name: Serve the certificate that certbot keeps
  courier.mail.certificate:
    path: /etc/courier/mail.pem
    names: [mx.example.org, imap.example.org]
    key_path: /etc/letsencrypt/live/mx.example.org/privkey.pem
    chain_path: /etc/letsencrypt/live/mx.example.org/fullchain.pem
    dhparams: /etc/courier/dhparams.pem

- name: Serve a self-signed certificate, and show it to those who shall trust it
  courier.mail.certificate:
    path: /etc/courier/mail.pem
    certificate_path: /etc/ssl/certs/mail.pem
    names: [mx.example.org]
"""

RETURN = r"""
files:
  description: The files that changed, or would.
  returned: always
  type: list
  elements: str
  sample: [/etc/courier/mail.pem]
source:
  description: Where the certificate comes from, V(given), V(files) or V(self-signed).
  returned: always
  type: str
  sample: files
names:
  description: The host names in the certificate.
  returned: unless a check run would make the certificate
  type: list
  elements: str
  sample: [mx.example.org, imap.example.org]
not_after:
  description: The moment the certificate ends, ISO 8601 in UTC.
  returned: unless a check run would make the certificate
  type: str
  sample: "2027-02-21T08:15:00Z"
serial:
  description: The serial number, hexadecimal.
  returned: unless a check run would make the certificate
  type: str
  sample: 44D90C9A3C71E75D7A397CFCD99C32863BD49007
fingerprint_sha256:
  description: The SHA-256 of the certificate, hexadecimal with colons.
  returned: unless a check run would make the certificate
  type: str
  sample: A6:E6:18:5D:B7:AF:93:9C:D8:92:3C:55:28:18:22:11:44:CF:97:5E:3E:25:B2:52:48:76:19:B1:B6:D8:5C:1A
"""

import os
from datetime import UTC, datetime, timedelta

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import File, ensure, read
from ..module_utils._openssl import KEY_TYPES, OpenSSL, Pair
from ..module_utils._pem import PemError, blocks, certificates, covered, private_key, refuse_unfit, without_keys

WARN = timedelta(days=21)
SHORTEST_PARAMETERS = 2048  # bits; RFC 7919 begins there
PARAMETERS = 3072


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "certificate_path": {"type": "path"},
            "names": {"type": "list", "elements": "str", "required": True},
            "key": {"type": "str", "no_log": True},
            "chain": {"type": "str"},
            "key_path": {"type": "path", "no_log": False},
            "chain_path": {"type": "path"},
            "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ec", "no_log": False},
            "days": {"type": "int", "default": 825},
            "renew_days": {"type": "int", "default": 30},
            "dhparams": {"type": "path"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "courier"},
        },
        required_together=[("key", "chain"), ("key_path", "chain_path")],
        mutually_exclusive=[("key", "key_path")],
        supports_check_mode=True,
    )
    wanted = module.params
    if wanted["days"] <= wanted["renew_days"]:
        module.fail_json(msg="days must be more than renew_days, or each run makes another certificate")
    source = "self-signed"
    if wanted["key"] is not None:
        source = "given"
    elif wanted["key_path"] is not None:
        source = "files"
    if module.check_mode and not _ready(module):
        module.exit_json(changed=True, files=[wanted["path"]], source=source)
    if not module.get_bin_path("openssl"):
        module.fail_json(msg=f"{wanted['path']}: openssl is not there to look at the certificate; install openssl")

    openssl = OpenSSL(module)
    try:
        pair = _pair(module, openssl, source)
        chain = openssl.describe(pair.chain) if pair else []
        if pair:
            refuse_unfit(openssl.public_key(pair.key), chain, wanted["names"], datetime.now(UTC))
            openssl.refuse_disorder(pair.chain, chain)
    except PemError as error:
        module.fail_json(msg=f"{wanted['path']}: {error}")

    result = ensure(module, _files(module, openssl, pair))
    if chain:
        leaf = chain[0]
        if leaf.not_after - datetime.now(UTC) < WARN:
            module.warn(f"{wanted['path']}: the certificate ({leaf.title}) ends on {leaf.not_after:%F %R} UTC")
        result |= {
            "names": list(leaf.names),
            "not_after": f"{leaf.not_after:%FT%TZ}",
            "serial": leaf.serial,
            "fingerprint_sha256": leaf.fingerprint,
        }
    module.exit_json(**result, source=source)


def _ready(module: AnsibleModule) -> bool:
    """Is there what an earlier task of a real run would have brought: openssl, the files of an ACME client?"""
    paths = [module.params["key_path"], module.params["chain_path"]]
    return bool(module.get_bin_path("openssl")) and all(os.path.exists(path) for path in paths if path)


def _pair(module: AnsibleModule, openssl: OpenSSL, source: str) -> Pair | None:
    """The key and the chain to serve; None where a check run would have to make them."""
    wanted = module.params
    if source == "given":
        return Pair(private_key(wanted["key"], "the key"), certificates(wanted["chain"], "the chain"))
    if source == "files":
        key, chain = (_text(path) for path in (wanted["key_path"], wanted["chain_path"]))
        return Pair(private_key(key, wanted["key_path"]), certificates(chain, wanted["chain_path"]))
    kept = _kept(module, openssl)
    if kept or module.check_mode:
        return kept
    return openssl.make(wanted["names"], wanted["key_type"], wanted["days"])


def _kept(module: AnsibleModule, openssl: OpenSSL) -> Pair | None:
    """The self-signed certificate that is there, if it still serves."""
    wanted = module.params
    text = read(wanted["path"]) or ""
    try:
        pair = Pair(private_key(text, wanted["path"]), certificates(text, wanted["path"]))
        (certificate,) = openssl.describe(pair.chain[:1])
        matching = openssl.public_key(pair.key) == certificate.public_key
    except PemError:
        return None
    serves = (
        certificate.self_signed_by_us
        and matching
        and openssl.is_of_type(pair.key, wanted["key_type"])
        and all(covered(name, certificate.names) for name in wanted["names"])
        and certificate.not_after - datetime.now(UTC) > timedelta(days=wanted["renew_days"])
    )
    return Pair(pair.key, pair.chain[:1]) if serves else None


def _files(module: AnsibleModule, openssl: OpenSSL, pair: Pair | None) -> list[File]:
    wanted = module.params
    owner, group = wanted["owner"], wanted["group"]
    private, public = ("(made by the run)\n",) * 2
    if pair:
        public = "".join(pair.chain)
        private = pair.key + public
    files = [File(wanted["path"], private, owner, group, 0o640, shown=without_keys)]
    if wanted["certificate_path"]:
        files.append(File(wanted["certificate_path"], public, owner, group, 0o644, shown=without_keys))
    if wanted["dhparams"]:
        text = read(wanted["dhparams"]) or ""
        if not text or openssl.parameter_bits(text) < SHORTEST_PARAMETERS:
            text = _parameters(module)
        files.append(File(wanted["dhparams"], text, owner, group, 0o640))
    return files


def _parameters(module: AnsibleModule) -> str:
    if module.check_mode:
        return f"(parameters of {PARAMETERS} bits)\n"
    if not module.get_bin_path("certtool"):
        module.fail_json(msg=f"{module.params['dhparams']}: certtool is not there to write it; install gnutls-bin")
    stdout = module.run_command(["certtool", "--get-dh-params", "--bits", str(PARAMETERS)], check_rc=True)[1]
    return "".join(blocks(stdout, "DH PARAMETERS"))


def _text(path: str) -> str:
    text = read(path)
    if text is None:
        raise PemError(f"there is no {path}")
    return text


if __name__ == "__main__":
    main()
