"""The module with a door that is shut, and one that is no mail server."""

from __future__ import annotations

import hashlib
import socket
import subprocess

import pytest

from plugins.modules import tls_info
from tests.unit.run_module import run_module


@pytest.fixture
def shut():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return {"protocol": "smtp", "port": listener.getsockname()[1], "tls": "implicit"}


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "mail.pem"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "/dev/null")
    command = ["openssl", "req", "-x509", *key, "-subj", "/CN=mx1.example.com", "-days", "20", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_a_shut_door_is_no_failure_and_its_certificate_still_has_days(shut, certificate):
    answer = run_module(tls_info, doors=[shut | {"certificate": str(certificate)}])
    (door,) = answer["doors"]
    assert not answer["changed"]
    assert (door["ok"], door["said"], door["days"]) == (False, "Connection refused", 19)
    assert door["door"] == f"smtp 127.0.0.1:{shut['port']}"


def test_says_which_key_is_in_the_certificate(shut, certificate):
    (door,) = run_module(tls_info, doors=[shut | {"certificate": str(certificate)}])["doors"]
    public = subprocess.run(
        ["openssl", "x509", "-noout", "-pubkey", "-in", certificate], check=True, capture_output=True
    )
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.stdout, check=True, capture_output=True
    )
    assert door["key_digest"] == hashlib.sha256(der.stdout).hexdigest()


def test_a_file_without_a_certificate_is_said(shut, tmp_path):
    (door,) = run_module(tls_info, doors=[shut | {"certificate": str(tmp_path / "none.pem")}])["doors"]
    assert (door["ok"], door["days"]) == (False, None)
    assert door["said"] == f"{tmp_path}/none.pem holds no certificate in PEM"
