"""What dpkg says is installed, as facts."""

from __future__ import annotations

import pytest

from plugins.modules import package_facts
from tests.unit.run_module import run_module

LISTED = """\
installed courier-base 1.4.1-3 amd64
config-files exim4-base 4.98-1 amd64
not-installed postfix  amd64
half-configured clamav-daemon 1.4.6+dfsg-1 amd64
triggers-pending man-db 2.13.1-1 amd64
installed libc6 2.41-12 amd64
installed libc6 2.41-12 i386
"""


@pytest.fixture
def dpkg(tmp_path, monkeypatch):
    """A dpkg-query that says what it is told to, and ends as it is told to."""

    def dpkg(said, code=0):
        (tmp_path / "said").write_text(said)
        program = tmp_path / "dpkg-query"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return dpkg


def test_what_is_there_is_known_by_name(dpkg):
    dpkg(LISTED)
    answer = run_module(package_facts)
    assert not answer["changed"]
    assert answer["ansible_facts"] == {
        "packages": {
            "courier-base": [{"name": "courier-base", "version": "1.4.1-3", "arch": "amd64"}],
            "man-db": [{"name": "man-db", "version": "2.13.1-1", "arch": "amd64"}],
            "libc6": [{"name": "libc6", "version": "2.41-12", "arch": arch} for arch in ("amd64", "i386")],
        }
    }


def test_a_database_that_cannot_be_read_is_an_error(dpkg):
    dpkg("", 2)
    assert run_module(package_facts)["failed"]
