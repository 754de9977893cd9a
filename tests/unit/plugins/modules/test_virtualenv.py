"""Real environments, with packages that are made here and need no index."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile

import pytest

from plugins.modules import virtualenv
from tests.unit.run_module import run_module

pytestmark = pytest.mark.usefixtures("python")


@pytest.fixture
def python(monkeypatch):
    monkeypatch.setattr(virtualenv, "PYTHON", sys.executable)


@pytest.fixture
def wheel(tmp_path):
    """Makes a version of a package, and returns what the module wants to know of it."""

    def make(version):
        path = tmp_path / f"bed_probe-{version}-py3-none-any.whl"
        metadata = f"bed_probe-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bed_probe.py", f"VERSION = {version!r}\n")
            archive.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: bed-probe\nVersion: {version}\n")
            archive.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{metadata}/RECORD", "")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"name": "bed-probe", "version": version, "sha256": digest, "source": str(path)}

    return make


@pytest.fixture
def run(tmp_path):
    def run(*, check=False, **arguments):
        return run_module(virtualenv, check=check, path=str(tmp_path / "venv"), **arguments)

    return run


def imported(tmp_path, expression):
    program = [tmp_path / "venv/bin/python", "-c", f"import bed_probe, sys; print({expression})"]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout.strip()


def test_makes_it_once_and_anew_for_another_version(tmp_path, wheel, run):
    first = wheel("1.0")
    assert run(check=True, **first)["changed"]
    assert not (tmp_path / "venv").exists()
    answer = run(**first, paths=[str(tmp_path)])
    assert answer["changed"]
    assert imported(tmp_path, "bed_probe.VERSION") == "1.0"
    assert imported(tmp_path, f"{str(tmp_path)!r} in sys.path") == "True"
    assert not run(**first, paths=[str(tmp_path)])["changed"]
    assert run(**wheel("1.1"))["changed"]
    assert imported(tmp_path, "bed_probe.VERSION") == "1.1"
    assert not (tmp_path / "venv.old").exists()


def test_a_file_with_another_checksum_is_refused_and_the_old_one_stays(tmp_path, wheel, run):
    assert run(**wheel("1.0"))["changed"]
    answer = run(**wheel("1.1") | {"sha256": "0" * 64})
    assert answer["failed"]
    assert "0000" in answer["msg"]
    assert imported(tmp_path, "bed_probe.VERSION") == "1.0"
