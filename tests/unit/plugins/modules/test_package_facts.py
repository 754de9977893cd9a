"""What dpkg says is installed, as facts."""

from __future__ import annotations

import pytest

from plugins.modules import package_facts
from tests.unit.run_module import run_module

LISTED = """\
installed courier-base 1.4.1-3
config-files exim4-base 4.98-1
not-installed postfix\x20
half-configured clamav-daemon 1.4.6+dfsg-1
triggers-pending man-db 2.13.1-1
installed libc6 2.41-12
installed libc6 2.41-12
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
        "package_versions": {"courier-base": "1.4.1-3", "man-db": "2.13.1-1", "libc6": "2.41-12"}
    }


def test_a_database_that_cannot_be_read_is_an_error(dpkg):
    dpkg("", 2)
    assert run_module(package_facts)["failed"]
