from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from plugins.modules import acceptmailfor
from tests.unit.run_module import run_module

OURS = {
    "local": ["localhost"],
    "hosted": ["bücher.example"],
    "aliases": {"xn--mnchen-3ya.example": "bücher.example"},
    "accepted": ["partner.example"],
}
FILES = {
    "esmtpacceptmailfor": "",
    "esmtpacceptmailfor.dir/site": "bücher.example\nlocalhost\nmünchen.example\npartner.example\n",
    "hosteddomains/site": "bücher.example\nmünchen.example\tbücher.example\n",
    "locals": "localhost\n",
}
COMPILERS = {"makehosteddomains": "hosteddomains.dat", "makeacceptmailfor": "esmtpacceptmailfor.dat"}


@pytest.fixture
def courier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An /etc/courier as the package leaves it, and compilers that make the databases there."""
    directory, programs = tmp_path / "courier", tmp_path / "bin"
    for path in (directory / "hosteddomains", directory / "esmtpacceptmailfor.dir", programs):
        path.mkdir(parents=True)
    for name, database in COMPILERS.items():
        compiler(programs / name, f"touch {directory / database}")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return directory


def compiler(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def run(directory: Path, **options: Any) -> dict[str, Any]:
    return run_module(
        acceptmailfor, directory=str(directory), owner=str(os.getuid()), group=str(os.getgid()), **options
    )


def texts(directory: Path) -> dict[str, str]:
    files = (path for path in directory.rglob("*") if path.is_file() and path.suffix != ".dat")
    return {str(path.relative_to(directory)): path.read_text("utf-8") for path in files}


def test_writes_and_compiles_the_lists(courier: Path) -> None:
    answer = run(courier, **OURS)

    assert answer["changed"] is True
    assert answer["files"] == [f"{courier}/{name}" for name in FILES]
    assert answer["compiled"] == [f"{courier}/{name}" for name in sorted(COMPILERS.values())]
    assert texts(courier) == FILES
    assert {(courier / name).stat().st_mode & 0o777 for name in FILES} == {0o640}
    assert all((courier / database).exists() for database in COMPILERS.values())


def test_leaves_alone_what_is_right(courier: Path) -> None:
    run(courier, **OURS)
    answer = run(courier, **OURS)

    assert (answer["changed"], answer["files"], answer["compiled"]) == (False, [], [])


def test_compiles_only_the_list_that_changed(courier: Path) -> None:
    run(courier, **OURS)
    answer = run(courier, **OURS | {"accepted": []})

    assert answer["files"] == [f"{courier}/esmtpacceptmailfor.dir/site"]
    assert answer["compiled"] == [f"{courier}/esmtpacceptmailfor.dat"]


def test_check_mode_writes_nothing(courier: Path) -> None:
    answer = run(courier, check=True, **OURS)

    assert answer["changed"] is True
    assert texts(courier) == {}


def test_a_refusal_leaves_the_lists(courier: Path) -> None:
    run(courier, **OURS)
    answer = run(courier, **OURS | {"accepted": ["*.partner.example"]})

    assert answer["failed"] is True
    assert answer["msg"] == (
        "'*.partner.example' is no wildcard of Courier's; write '.partner.example' for every subdomain"
    )
    assert texts(courier) == FILES


def test_lists_come_back_when_the_compiler_refuses(courier: Path) -> None:
    run(courier, **OURS)
    compiler(courier.parent / "bin" / "makeacceptmailfor", "echo duplicate >&2; exit 1")
    answer = run(courier, **OURS | {"accepted": []})

    assert answer["failed"] is True
    assert "makeacceptmailfor" in answer["msg"]
    assert "duplicate" in answer["msg"]
    assert texts(courier) == FILES
