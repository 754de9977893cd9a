# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS profiles as GnuTLS priority strings, the only TLS setting that Debian's Courier obeys.

The profiles are those of Mozilla's Server Side TLS guideline, version 5.7.
"""

from __future__ import annotations

_COMMON = (
    "+AES-128-GCM",
    "+AES-256-GCM",
    "+CHACHA20-POLY1305",
    "+AEAD",
    "+GROUP-X25519",
    "+GROUP-SECP256R1",
    "+GROUP-SECP384R1",
    "+SIGN-ALL",
    "+COMP-NULL",
    "+CTYPE-X509",
)

PROFILES = {
    # TLS 1.3 only.
    "modern": ":".join(("NONE", "+VERS-TLS1.3", "+ECDHE-ECDSA", "+ECDHE-RSA", *_COMMON)),
    # TLS 1.2 with forward secrecy, too: what the rest of the world can do.
    "intermediate": ":".join(
        (
            "NONE",
            "+VERS-TLS1.3",
            "+VERS-TLS1.2",
            "+ECDHE-ECDSA",
            "+ECDHE-RSA",
            "+DHE-RSA",
            *_COMMON,
            "+GROUP-FFDHE2048",
            "+GROUP-FFDHE3072",
        )
    ),
}


class ProfileError(ValueError):
    """A profile that nobody defined."""


def priority(profile: str) -> str:
    """The GnuTLS priority string of a profile."""
    if profile not in PROFILES:
        raise ProfileError(f"TLS profile {profile!r} is unknown; write one of {', '.join(PROFILES)}")
    return PROFILES[profile]
