# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mozilla's Server Side TLS guideline, as far as it concerns mail, in its own terms.

The values are those of https://ssl-config.mozilla.org/guidelines/5.7.json, the suites of TLS 1.2 (`ciphers`) in its
list for OpenSSL. Left out are the configuration `old`, what is about the web (HSTS, OCSP), and the size of a single
curve, since `tls_curves` names all. A newer version of the guideline is a change of this file alone: tls.py renders it,
and the tests compare it with what the daemons offer.
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = "5.7"
DATE = "2023-05-15"


class Configuration(NamedTuple):
    """What a server of this configuration offers, and to whom that is of use."""

    tls_versions: tuple[str, ...]
    ciphersuites: tuple[str, ...]  # of TLS 1.3
    ciphers: tuple[str, ...]  # of TLS 1.2, by their names in OpenSSL
    tls_curves: tuple[str, ...]
    certificate_types: tuple[str, ...]
    certificate_curves: tuple[str, ...]
    certificate_signatures: tuple[str, ...]
    rsa_key_size: int | None
    dh_param_size: int | None
    server_preferred_order: bool
    maximum_certificate_lifespan: int  # days
    recommended_certificate_lifespan: int
    oldest_clients: tuple[str, ...]


_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_CURVES = ("prime256v1", "secp384r1")
_ECDSA = ("ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512")

CONFIGURATIONS = {
    "modern": Configuration(
        tls_versions=("TLSv1.3",),
        ciphersuites=_SUITES,
        ciphers=(),
        tls_curves=("X25519", *_CURVES),
        certificate_types=("ecdsa",),
        certificate_curves=_CURVES,
        certificate_signatures=_ECDSA,
        rsa_key_size=None,
        dh_param_size=None,
        server_preferred_order=False,
        maximum_certificate_lifespan=90,
        recommended_certificate_lifespan=90,
        oldest_clients=(
            "Firefox 63",
            "Android 10.0",
            "Chrome 70",
            "Edge 75",
            "Java 11",
            "OpenSSL 1.1.1",
            "Opera 57",
            "Safari 12.1",
        ),
    ),
    "intermediate": Configuration(
        tls_versions=("TLSv1.2", "TLSv1.3"),
        ciphersuites=_SUITES,
        ciphers=(
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDHE-RSA-CHACHA20-POLY1305",
            "DHE-RSA-AES128-GCM-SHA256",
            "DHE-RSA-AES256-GCM-SHA384",
            "DHE-RSA-CHACHA20-POLY1305",
        ),
        tls_curves=("X25519", *_CURVES),
        certificate_types=("ecdsa", "rsa"),
        certificate_curves=_CURVES,
        certificate_signatures=("sha256WithRSAEncryption", *_ECDSA),
        rsa_key_size=2048,
        dh_param_size=2048,
        server_preferred_order=False,
        maximum_certificate_lifespan=366,
        recommended_certificate_lifespan=90,
        oldest_clients=(
            "Firefox 27",
            "Android 4.4.2",
            "Chrome 31",
            "Edge",
            "IE 11 on Windows 7",
            "Java 8u31",
            "OpenSSL 1.0.1",
            "Opera 20",
            "Safari 9",
        ),
    ),
}
