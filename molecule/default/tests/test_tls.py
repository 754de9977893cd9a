# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every port offers what Mozilla's guideline says, and nothing else. A scanner calls from the outside."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest

from tests.tls_matrix import CERTIFICATES, measure, scan, wanted

MODERN = {"smtp": "modern", "submission": "modern", "smtps": "modern", "outbound": "modern", "relay": "modern"}


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("port", [25, 587, 465, 993])
def test_offers_what_the_guideline_says(site, stranger, port, certificate):
    assert measure(site, stranger, port, certificate) == wanted(port, certificate)


@pytest.fixture
def careless(tmp_path, eventually):
    """A server on this machine that offers whatever GnuTLS can do."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=x"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    everything = "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+3DES-CBC"
    files = [f"--x509keyfile={key}", f"--x509certfile={certificate}"]
    command = ["gnutls-serv", "--echo", "--quiet", f"--port={port}", f"--priority={everything}", *files]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        assert eventually(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        yield port
        server.terminate()


def test_the_scanner_sees_what_must_not_be_there(careless):
    """Else all that is above would pass before a blind eye."""
    offer = scan("127.0.0.1", careless)
    assert {"TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"} <= offer.versions
    assert {
        ("TLSv1.0", "AES128-SHA"),
        ("TLSv1.2", "AES128-GCM-SHA256"),
        ("TLSv1.2", "ECDHE-RSA-AES256-SHA"),
        ("TLSv1.2", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    } <= offer.suites
    assert ("TLSv1.3", "ffdhe2048") in offer.curves


def test_a_run_says_who_is_cut_off_by_modern(play):
    results = play("courier.mail.validate", f"--extra-vars={json.dumps({'courier_mta_tls_profiles': MODERN})}")
    warnings = {
        (result.host, str(warning).partition(":")[0])
        for result in results
        for warning in result.result.get("warnings", [])
        if "OpenSSL 1.1.1" in str(warning)
    }
    # All who have mail send to strangers, and these are also called by them. Who only watches is elsewhere.
    sending = {result.host for result in results if not result.host.endswith(".net")}
    called = {host for host in sending if host.startswith(("mx1.", "out1."))}
    assert warnings == {(host, "courierd") for host in sending} | {(host, "esmtpd") for host in called}
