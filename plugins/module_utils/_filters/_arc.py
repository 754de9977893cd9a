# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seal on what is passed on (ARC, RFC 8617): what we found when it came, signed by us, for hosts that trust us.

What is sealed is what the filter `authenticate` wrote. Without its field there is nothing to vouch for.
"""

from __future__ import annotations

import json
from typing import Any

from ._verdict import Down

SIGNING = "/etc/courier/dkim/signing.json"


def seal(text: bytes, address: str, host: str, path: str = SIGNING) -> bytes:
    """The message with a seal of the domain that passes it on, or as it was. Raises Down where there is no key."""
    import dkim

    domain, selector, key = _key(address.rpartition("@")[2], path)
    try:
        # With CRLF, as it goes over the wire: of fields folded with LF, dkimpy 1.1.4 signs what nobody can verify.
        fields: list[bytes] = dkim.arc_sign(text, selector.encode(), domain.encode(), key, host.encode())
    except dkim.ParameterError:  # what came with it is no chain that can go on
        return text
    return b"".join(fields).replace(b"\r\n", b"\n") + text


def _key(domain: str, path: str) -> tuple[str, str, bytes]:
    """The domain, the selector and the RSA key that sign for a domain now: ARC knows no other kind."""
    try:
        with open(path, encoding="utf-8") as stream:
            said: dict[str, Any] = json.load(stream)
        owner = domain if domain in said["domains"] else said["default"]
        one = next(key for key in said["domains"][owner] if key["algorithm"] == "rsa")
        with open(one["key"], "rb") as key:
            return owner, one["selector"], key.read()
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise Down(f"{path} has no RSA key to seal with: {error or type(error).__name__}") from error
