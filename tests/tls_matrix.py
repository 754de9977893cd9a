# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scanner finds on a port, what Mozilla's guideline wants there, and the table of docs/tls.md that shows both.

The tests of molecule/default measure and compare. `python -m tests.tls_matrix` then writes what they
found into the page.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from plugins.module_utils._courier.tls_guideline import CONFIGURATIONS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/tls.md"
NOTES = Path(os.environ.get("REPORTS", ROOT / ".cache/reports")) / "tls.md"

# The profile of each port as the roles have it, and how the conversation gets to TLS.
LISTENERS = {
    25: ("intermediate", "smtp"),
    143: ("modern", "imap"),
    465: ("modern", None),
    587: ("modern", "smtp"),
    993: ("modern", None),
    995: ("modern", None),
}
# The guideline's types, and how openssl makes a key of each.
CERTIFICATES = {"ecdsa": "ec -pkeyopt ec_paramgen_curve:P-256", "rsa": "rsa:3072"}
RELEASES = {"bookworm": "12", "trixie": "13"}

# The scanner's words for what the guideline names.
_KEYS = {"EC": "ecdsa", "RSA": "rsa"}
_CURVES = {"x25519": "X25519", "secp256r1 (NIST P-256)": "prime256v1", "secp384r1 (NIST P-384)": "secp384r1"}

# What the table calls the suites.
_NUMBERS = {suite: str(number) for number, suite in enumerate(CONFIGURATIONS["intermediate"].ciphers, start=1)}
_LETTERS = dict(zip(CONFIGURATIONS["modern"].ciphersuites, "ABC", strict=True))
MARKS = _NUMBERS | _LETTERS
_HEAD = ("port", "profile", "certificate", "Debian", "versions", "suites", "curves")


class Offer(NamedTuple):
    """What a port offers to whoever calls, in the guideline's terms."""

    certificate: str
    versions: frozenset[str]
    suites: frozenset[tuple[str, str]]  # with their version
    curves: frozenset[tuple[str, str]]


def wanted(port: int, certificate: str) -> Offer:
    """What the guideline wants of a port that serves a certificate of this type."""
    configuration = CONFIGURATIONS[LISTENERS[port][0]]
    # In ECDHE-ECDSA-AES128-GCM-SHA256 the second word says whose key signs. Since TLS 1.3 any does.
    ciphers = [suite for suite in configuration.ciphers if suite.split("-")[1].lower() == certificate]
    return Offer(
        certificate,
        frozenset(configuration.tls_versions),
        frozenset(
            [("TLSv1.2", suite) for suite in ciphers] + [("TLSv1.3", suite) for suite in configuration.ciphersuites]
        ),
        frozenset((version, curve) for version in configuration.tls_versions for curve in configuration.tls_curves),
    )


def scan(address: str, port: int, starttls: str | None = None) -> Offer:
    """What sslscan finds on a port. It offers every version since SSL 2, and suites of every age."""
    options = [f"--no-{other}" for other in ("heartbleed", "renegotiation", "compression", "fallback")]
    if starttls:
        options.append(f"--starttls-{starttls}")
    command = ["sslscan", "--xml=-", "--timeout=10", *options, f"{address}:{port}"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = ElementTree.fromstring(answer)
    if found.find("ssltest") is None:
        raise ConnectionError(answer)
    return Offer(
        " ".join(_KEYS.get(key.get("type", ""), "?") for key in found.iter("pk")),
        frozenset(
            f"{protocol.get('type', '').upper()}v{protocol.get('version')}"
            for protocol in found.iter("protocol")
            if protocol.get("enabled") == "1"
        ),
        frozenset((cipher.get("sslversion", ""), cipher.get("cipher", "")) for cipher in found.iter("cipher")),
        frozenset(
            (group.get("sslversion", ""), _CURVES.get(group.get("name", ""), group.get("name", "")))
            for group in found.iter("group")
        ),
    )


@contextlib.contextmanager
def serving(site: Any, certificate: str) -> Iterator[None]:
    """Have a host of the bed serve a certificate of this type. Courier reads the file at each connection."""
    site.check_output("cp --archive /etc/ssl/mail/mail.pem /run/kept.pem")
    try:
        site.check_output(
            f"openssl req -x509 -newkey {CERTIFICATES[certificate]} -noenc -keyout /run/new.pem -out /run/new.crt"
            " -subj /CN=%s && cat /run/new.pem /run/new.crt > /etc/ssl/mail/mail.pem",
            site.name,
        )
        yield
    finally:
        site.check_output("mv /run/kept.pem /etc/ssl/mail/mail.pem && rm --force /run/new.pem /run/new.crt")


def measure(site: Any, caller: Any, port: int, certificate: str) -> Offer:
    """What a host of the bed offers to another that calls, noted for the page."""
    with serving(site, certificate):
        offer: Offer = caller.inside(lambda: scan(site.addresses["ipv4"], port, LISTENERS[port][1]))
    NOTES.parent.mkdir(parents=True, exist_ok=True)
    with open(NOTES, "a", encoding="utf-8") as notes:
        notes.write(f"{row(port, site.facts['bed_image'], offer)}\n")
    return offer


def row(port: int, release: str, offer: Offer) -> str:
    """A line of the table. What the guideline does not know keeps the scanner's name."""
    cells = (
        str(port),
        LISTENERS[port][0],
        offer.certificate.upper(),
        RELEASES[release],
        ", ".join(sorted(offer.versions)),
        " ".join(sorted(MARKS.get(suite, suite) for _version, suite in offer.suites)),
        ", ".join(sorted({curve for _version, curve in offer.curves})),
    )
    return f"| {' | '.join(cells)} |"


def table(rows: Iterable[str]) -> str:
    lines = sorted(rows, key=lambda line: (int(line.split()[1]), line))
    return "\n".join((f"| {' | '.join(_HEAD)} |", f"|{' --- |' * len(_HEAD)}", *lines, ""))


def main() -> None:
    # The port, the profile, the certificate and the release; the last scan of each counts.
    measured = {tuple(line.split()[:8]): line for line in NOTES.read_text(encoding="utf-8").splitlines()}
    missing = len(LISTENERS) * len(CERTIFICATES) * len(RELEASES) - len(measured)
    if missing:
        sys.exit(f"{NOTES} lacks {missing} ports; run `make molecule` first")
    page = re.sub(r"(?m)^\| port \|.*\n(\|.*\n)*", lambda _: table(measured.values()), PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
