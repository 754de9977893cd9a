# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS profiles as GnuTLS priority strings, the only TLS setting that Debian's Courier obeys.

A profile is a configuration of Mozilla's guideline (tls_guideline.py). GnuTLS takes key exchanges and ciphers one by
one and offers all pairs of them, so the guideline's list can be had exactly only while it is all pairs. A test asks
gnutls-cli whether it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .tls_guideline import CONFIGURATIONS, Configuration

_VERSIONS = {"TLSv1.2": "VERS-TLS1.2", "TLSv1.3": "VERS-TLS1.3"}
_KEY_EXCHANGES = ("ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA")
_CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "AES-128-GCM",
    "TLS_AES_256_GCM_SHA384": "AES-256-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "AES128-GCM-SHA256": "AES-128-GCM",
    "AES256-GCM-SHA384": "AES-256-GCM",
    "CHACHA20-POLY1305": "CHACHA20-POLY1305",
}
_CURVES = {"X25519": "GROUP-X25519", "prime256v1": "GROUP-SECP256R1", "secp384r1": "GROUP-SECP384R1"}
# The guideline says which signatures a certificate shall have, and leaves those of a handshake to the library. None of
# them is made with SHA-1 (RFC 9155).
_SIGNATURES = ("+SIGN-ALL", "-SIGN-RSA-SHA1", "-SIGN-ECDSA-SHA1")
# What every TLS connection of ours has and NONE takes away.
_ALWAYS = ("+AEAD", "+COMP-NULL", "+CTYPE-X509")

# The files whose TLS_PRIORITY is for strangers, and what becomes of the mail of those who cannot use it. Tried with a
# Postfix that had TLS 1.2 at most.
_STRANGERS = {
    "esmtpd": "on port 25; mail from servers without it waits, and then comes in clear or not at all",
    "courierd": "to the servers that we send to; mail to those without it goes out in clear",
}


class ProfileError(ValueError):
    """A profile that nobody defined."""


def render(configuration: Configuration) -> str:
    """The GnuTLS priority string of a configuration of the guideline."""
    pairs = [_pair(cipher) for cipher in configuration.ciphers]
    named = (
        # GnuTLS prefers what comes first.
        *(_VERSIONS[version] for version in reversed(configuration.tls_versions)),
        *(key_exchange for key_exchange, _cipher in pairs),
        *(_CIPHERS[suite] for suite in configuration.ciphersuites),
        *(cipher for _key_exchange, cipher in pairs),
        *(_CURVES[curve] for curve in configuration.tls_curves),
    )
    return ":".join(("NONE", *(f"+{word}" for word in dict.fromkeys(named)), *_ALWAYS, *_SIGNATURES))


def _pair(cipher: str) -> tuple[str, str]:
    """Key exchange and cipher of a suite of TLS 1.2, in GnuTLS's words."""
    for key_exchange in _KEY_EXCHANGES:
        if cipher.startswith(f"{key_exchange}-"):
            return key_exchange, _CIPHERS[cipher.removeprefix(f"{key_exchange}-")]
    raise KeyError(cipher)


PROFILES = {name: render(configuration) for name, configuration in CONFIGURATIONS.items()}


def priority(profile: str) -> str:
    """The GnuTLS priority string of a profile."""
    if profile not in PROFILES:
        raise ProfileError(f"TLS profile {profile!r} is unknown; write one of {', '.join(PROFILES)}")
    return PROFILES[profile]


def nginx(profile: str) -> dict[str, str]:
    """The settings of nginx for a profile. OpenSSL's own suites of TLS 1.3 are those of the guideline."""
    priority(profile)
    configuration = CONFIGURATIONS[profile]
    settings = {
        "ssl_protocols": " ".join(configuration.tls_versions),
        "ssl_ecdh_curve": ":".join(configuration.tls_curves),
        "ssl_prefer_server_ciphers": "on" if configuration.server_preferred_order else "off",
    }
    return settings | ({"ssl_ciphers": ":".join(configuration.ciphers)} if configuration.ciphers else {})


def cut_off(file: str, settings: Mapping[str, object], versions: Collection[str]) -> str | None:
    """Who cannot use the TLS that a file offers to strangers, as a warning. Versions are those that GnuTLS names."""
    if file not in _STRANGERS or settings.get("ADDRESS") == "127.0.0.1" or set(versions) != {"TLS1.3"}:
        return None
    oldest = ", ".join(CONFIGURATIONS["modern"].oldest_clients)
    return (
        f"{file}: TLS_PRIORITY offers TLS 1.3 alone {_STRANGERS[file]}. "
        f"That cuts off whatever is older than {oldest}. The profile intermediate does not."
    )
