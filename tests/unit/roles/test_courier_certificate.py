"""The program that certbot runs for a new certificate; files/courier_certificate.py of the role certificates."""

from __future__ import annotations

import grp
import importlib.machinery
import importlib.util
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/certificates/files/courier_certificate.py"
GROUP = grp.getgrgid(os.getgid()).gr_name
NAMES = ["mx.example.org", "imap.example.org"]


def load() -> Any:
    loader = importlib.machinery.SourceFileLoader("courier_certificate", str(PROGRAM))
    spec = importlib.util.spec_from_loader("courier_certificate", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def program() -> Any:
    program = load()
    program.started = []
    # What it starts, and what it logs, stays here.
    program.subprocess = SimpleNamespace(run=lambda command, **_: program.started.append(command[-1]))
    program.syslog = SimpleNamespace(openlog=lambda *_: None, syslog=lambda *_: None, LOG_MAIL=0, LOG_ERR=0)
    return program


@pytest.fixture(scope="module", params=["ec", "rsa"])
def lineage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("lineage"), request.param)


def make(directory: Path, kind: str = "ec") -> Path:
    key = ["-newkey", *(["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])]
    out = ["-noenc", "-keyout", directory / "privkey.pem", "-out", directory / "fullchain.pem", "-days", "90"]
    # A subject that is empty, as authorities have it now.
    name = ["-subj", "/", "-addext", f"subjectAltName=critical,{','.join(f'DNS:{name}' for name in NAMES)}"]
    subprocess.run(["openssl", "req", "-x509", *key, *out, *name], check=True, capture_output=True)
    return directory


@pytest.fixture
def deploy(program: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def deploy(lineage: Path, *names: str) -> Path:
        monkeypatch.setenv("RENEWED_LINEAGE", str(lineage))
        program.deploy(str(tmp_path), GROUP, *(names or NAMES))
        return tmp_path

    return deploy


def test_serves_key_and_chain(program: Any, deploy: Any, lineage: Path) -> None:
    served = deploy(lineage)
    key, chain = ((lineage / name).read_text() for name in ("privkey.pem", "fullchain.pem"))
    assert (served / "mail.pem").read_text() == key + chain
    assert (served / "mail.crt").read_text() == chain
    assert {path.name: path.stat().st_mode & 0o777 for path in served.iterdir()} == {
        "mail.pem": 0o640,
        "mail.crt": 0o644,
    }
    assert program.started == []


FAULTS: dict[str, tuple[str, ...]] = {
    "another key": (),
    "another name": ("pop.example.org",),
    "an end in the past": (),
    "no chain": (),
    "no directory": (),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_refuses_and_says_so(
    program: Any, deploy: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, fault: str
) -> None:
    deploy(make(tmp_path_factory.mktemp("lineage")))
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    lineage = make(tmp_path_factory.mktemp("lineage"))
    if fault == "another key":
        (lineage / "privkey.pem").write_text((make(tmp_path_factory.mktemp("other")) / "privkey.pem").read_text())
    elif fault == "an end in the past":
        again = [
            "openssl",
            "x509",
            "-in",
            "fullchain.pem",
            "-signkey",
            "privkey.pem",
            "-days",
            "-1",
            "-out",
            "ended.pem",
        ]
        subprocess.run(again, cwd=lineage, check=True, capture_output=True)
        (lineage / "ended.pem").replace(lineage / "fullchain.pem")
    elif fault == "no chain":
        (lineage / "fullchain.pem").unlink()
    elif fault == "no directory":
        lineage = lineage / "absent"
    with pytest.raises(SystemExit, match="is not served"):
        deploy(lineage, *FAULTS[fault])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    assert program.started == ["courier-certificate-report.service"]
