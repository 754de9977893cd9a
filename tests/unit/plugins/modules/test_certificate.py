from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.module_utils._pem import blocks
from plugins.modules import certificate
from tests.unit.run_module import run_module

NAMES = ["mx.example.org", "imap.example.org"]
AUTHORITY = """\
[ca]
default_ca = ca
[ca]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = supplied
[req]
prompt = no
distinguished_name = name
[name]
CN = placeholder
"""


class Issued(NamedTuple):
    key: str
    chain: str


class Authority:
    """A certification authority of openssl's own make, with an intermediate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "index.txt").touch()
        (directory / "ca.cnf").write_text(AUTHORITY)
        ca = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n"
        self.sign("root", ca, "-selfsign", "-keyfile", "root.key")
        self.sign("intermediate", ca, "-cert", "root.crt", "-keyfile", "root.key")

    def sign(self, name: str, extensions: str, *how: str, begin: str = "20260101", end: str = "20991231") -> str:
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
        subject = ("-subj", f"/CN={name}", "-config", "ca.cnf")
        self.openssl("req", "-new", "-key", f"{name}.key", *subject, "-out", f"{name}.csr")
        (self.directory / "extensions").write_text(extensions)
        dates = ("-startdate", f"{begin}000000Z", "-enddate", f"{end}000000Z", "-extfile", "extensions")
        arguments = ("-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.crt")
        self.openssl("ca", *arguments, *dates, *how)
        return self.text(f"{name}.crt")

    def issue(self, names: list[str], **dates: str) -> Issued:
        extensions = f"subjectAltName = {', '.join(f'DNS:{name}' for name in names)}\n"
        leaf = self.sign("leaf", extensions, "-cert", "intermediate.crt", "-keyfile", "intermediate.key", **dates)
        return Issued(self.text("leaf.key"), leaf + self.text("intermediate.crt"))

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue(["mx.example.org", "*.example.org"])


@pytest.fixture(autouse=True)
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, warning: warnings.append(warning))
    return warnings


def run(directory: Path, **options: Any) -> dict[str, Any]:
    arguments = {"path": f"{directory}/mail.pem", "names": NAMES, "owner": str(os.getuid()), "group": str(os.getgid())}
    answer = run_module(certificate, **arguments | {"_ansible_tmpdir": str(directory)} | options)
    assert "PRIVATE KEY" not in json.dumps(answer)
    return answer


def modes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}


def handshake(pem: Path, name: str) -> str | None:
    """Serve the file and connect to it as Python 3.13 would by default, trusting nothing but its certificate."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _rest = listener.accept()
            try:
                with serving.wrap_socket(connection, server_side=True) as wrapped:
                    wrapped.recv(1)
            except OSError:
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        context = ssl.create_default_context(cafile=pem)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            with context.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname=name) as client:
                return client.version()
        finally:
            thread.join()


def test_writes_what_was_given(tmp_path: Path, issued: Issued) -> None:
    answer = run(tmp_path, key=issued.key, chain=issued.chain, certificate_path=f"{tmp_path}/public.pem")

    assert answer["changed"] is True
    assert answer["files"] == [f"{tmp_path}/mail.pem", f"{tmp_path}/public.pem"]
    assert (answer["source"], answer["not_after"]) == ("given", "2099-12-31T00:00:00Z")
    assert answer["names"] == ["mx.example.org", "*.example.org"]
    assert len(answer["fingerprint_sha256"]) == 95
    assert [diff["after"] for diff in answer["diff"]] == [f"(private key)\n{issued.chain}", issued.chain]
    assert (tmp_path / "mail.pem").read_text() == issued.key + issued.chain
    assert (tmp_path / "public.pem").read_text() == issued.chain
    assert modes(tmp_path) == {"mail.pem": 0o640, "public.pem": 0o644}


def test_takes_the_files_of_an_acme_client(tmp_path: Path, issued: Issued) -> None:
    (tmp_path / "privkey.pem").write_text(issued.key)
    (tmp_path / "fullchain.pem").write_text(issued.chain)
    options = {"key_path": f"{tmp_path}/privkey.pem", "chain_path": f"{tmp_path}/fullchain.pem"}

    assert run(tmp_path, **options)["source"] == "files"
    assert (tmp_path / "mail.pem").read_text() == issued.key + issued.chain
    assert run(tmp_path, **options)["changed"] is False


@pytest.mark.parametrize("source", ["given", "self-signed"])
def test_check_mode_writes_nothing(tmp_path: Path, issued: Issued, source: str) -> None:
    options = {"key": issued.key, "chain": issued.chain} if source == "given" else {}
    answer = run(tmp_path, check=True, dhparams=f"{tmp_path}/dhparams.pem", **options)

    assert (answer["changed"], answer["source"]) == (True, source)
    assert ("not_after" in answer) is (source == "given")
    assert modes(tmp_path) == {}


@pytest.mark.parametrize("missing", ["openssl", "the files of an ACME client"])
def test_check_mode_runs_before_anything_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    options = {"key_path": f"{tmp_path}/privkey.pem", "chain_path": f"{tmp_path}/fullchain.pem"}
    if missing == "openssl":
        monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_: None)
        options = {}

    assert run(tmp_path, check=True, **options)["changed"] is True
    assert run(tmp_path, **options)["failed"] is True


@pytest.mark.parametrize("key_type", ["ec", "rsa"])
def test_makes_a_certificate_that_is_trusted_alone(tmp_path: Path, key_type: str) -> None:
    answer = run(tmp_path, key_type=key_type)

    assert (answer["changed"], answer["source"], answer["names"]) == (True, "self-signed", NAMES)
    assert modes(tmp_path) == {"mail.pem": 0o640}
    assert handshake(tmp_path / "mail.pem", "imap.example.org") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path / "mail.pem", "pop.example.org")
    pem = tmp_path / "mail.pem"
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", pem, pem], check=True, capture_output=True)


def test_keeps_a_self_signed_certificate_that_serves(tmp_path: Path) -> None:
    first = run(tmp_path)
    second = run(tmp_path, names=NAMES[1:])

    assert second["changed"] is False
    assert second["serial"] == first["serial"]


ANEW: dict[str, dict[str, Any]] = {
    "for another name": {"names": [*NAMES, "pop.example.org"]},
    "before it ends": {"renew_days": 825, "days": 900},
    "with another key": {"key_type": "rsa"},
}


@pytest.mark.parametrize("options", ANEW.values(), ids=ANEW)
def test_makes_a_self_signed_certificate_anew(tmp_path: Path, options: dict[str, Any]) -> None:
    first = run(tmp_path)
    second = run(tmp_path, **options)

    assert second["changed"] is True
    assert second["serial"] != first["serial"]


def test_makes_one_where_the_certificate_was_not_ours(tmp_path: Path, issued: Issued) -> None:
    run(tmp_path, key=issued.key, chain=issued.chain)
    answer = run(tmp_path)

    assert (answer["changed"], answer["names"]) == (True, NAMES)


def test_makes_one_where_key_and_certificate_differ(tmp_path: Path, issued: Issued) -> None:
    run(tmp_path)
    pem = tmp_path / "mail.pem"
    pem.write_text(issued.key + blocks(pem.read_text(), "CERTIFICATE")[0])

    assert run(tmp_path)["changed"] is True
    assert handshake(pem, "mx.example.org") == "TLSv1.3"


def test_refuses_and_leaves_the_file_as_it_was(tmp_path: Path, authority: Authority, issued: Issued) -> None:
    run(tmp_path, key=issued.key, chain=issued.chain)
    before = (tmp_path / "mail.pem").read_text()
    leaf, intermediate = blocks(issued.chain, "CERTIFICATE")
    root = authority.text("root.crt")
    expired = authority.issue(NAMES, end="20260102")
    early = authority.issue(NAMES, begin="20980101")
    other = authority.issue(NAMES)
    broken = issued.key[:60] + "AAAA" + issued.key[64:]

    refusals = [
        ({"key": other.key, "chain": issued.chain}, "the key does not belong to the certificate (CN=leaf)"),
        (
            {"key": issued.key, "chain": intermediate + leaf},
            "the key belongs to certificate 2 of the chain (CN=leaf); put it first",
        ),
        (
            {"key": issued.key, "chain": leaf + root + intermediate},
            "the chain is not in order: after CN=leaf must come the certificate that signed it, CN=intermediate, "
            "and there is CN=root",
        ),
        ({"key": expired.key, "chain": expired.chain}, "the certificate (CN=leaf) expired on 2026-01-02 00:00 UTC"),
        ({"key": early.key, "chain": early.chain}, "the certificate (CN=leaf) begins only on 2098-01-01 00:00 UTC"),
        (
            {"key": issued.key, "chain": issued.chain, "names": ["mx.example.net"]},
            "the certificate is not for mx.example.net; it covers mx.example.org, *.example.org",
        ),
        ({"key": issued.key, "chain": "no PEM"}, "the chain holds no certificate in PEM"),
        ({"key": "", "chain": ""}, "the key must hold one private key in PEM, and it holds none"),
        ({"key": broken, "chain": issued.chain}, "openssl cannot read the private key"),
        ({"key": issued.key, "chain": leaf.replace("M", "A", 1)}, "openssl cannot read certificate 1 of the chain"),
        (
            {"key_path": f"{tmp_path}/mail.pem", "chain_path": "/nonexistent/fullchain.pem"},
            "there is no /nonexistent/fullchain.pem",
        ),
    ]
    for options, sentence in refusals:
        answer = run(tmp_path, **options)
        assert answer == {"failed": True, "msg": f"{tmp_path}/mail.pem: {sentence}"}
        assert (tmp_path / "mail.pem").read_text() == before


def test_refuses_to_make_a_certificate_in_each_run(tmp_path: Path) -> None:
    assert run(tmp_path, days=30)["msg"] == "days must be more than renew_days, or each run makes another certificate"


def test_warns_before_the_end(tmp_path: Path, warnings: list[str]) -> None:
    run(tmp_path, days=22, renew_days=1)
    assert warnings == []
    (tmp_path / "mail.pem").unlink()
    run(tmp_path, days=20, renew_days=1)
    assert len(warnings) == 1
    assert "the certificate (CN=mx.example.org,O=self-signed by courier.mail) ends on" in warnings[0]


@pytest.mark.skipif(not shutil.which("certtool"), reason="needs gnutls-bin")
@pytest.mark.parametrize("before", [None, "", "short"])
def test_writes_the_parameters_of_rfc_7919(tmp_path: Path, before: str | None) -> None:
    parameters = tmp_path / "dhparams.pem"
    if before == "short":
        subprocess.run(["openssl", "dhparam", "-out", parameters, "512"], check=True, capture_output=True)
    elif before is not None:
        parameters.write_text(before)
    run(tmp_path)
    answer = run(tmp_path, dhparams=str(parameters))

    assert answer["files"] == [str(parameters)]
    said = subprocess.run(["openssl", "dhparam", "-in", parameters, "-noout", "-text"], check=True, capture_output=True)
    assert b"DH Parameters: (3072 bit)" in said.stdout
    assert b"ffdhe3072" in said.stdout
    assert modes(tmp_path) == {"mail.pem": 0o640, "dhparams.pem": 0o640}
    assert run(tmp_path, dhparams=str(parameters))["changed"] is False
