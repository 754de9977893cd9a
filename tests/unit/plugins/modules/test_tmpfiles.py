"""The module with directories in the place of systemd's, and with systemd itself where this machine has it."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess

import pytest

from plugins.modules import tmpfiles
from tests.unit.run_module import run_module

QUEUE = "D /var/lib/courier/msgs 0750 root root - -\nd /run/courier 0775 root root - -\n"


@pytest.fixture
def root(tmp_path):
    for name in ("usr/lib/tmpfiles.d", "etc/tmpfiles.d", "var/lib/courier/msgs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "usr/lib/tmpfiles.d/courier-mta.conf").write_text(QUEUE)
    (tmp_path / "usr/lib/tmpfiles.d/systemd.conf").write_text("D /var/lib/other 0755 root root - -\n")
    return tmp_path


@pytest.fixture
def run(root, monkeypatch):
    me = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(tmpfiles, "File", lambda path, text, *_: OURS(path, text, me.pw_name, group(), 0o644))

    def run(**options):
        return run_module(
            tmpfiles, packages=str(root / "usr/lib/tmpfiles.d"), directory=str(root / "etc/tmpfiles.d"), **options
        )

    return run


OURS = tmpfiles.File


def group():
    return grp.getgrgid(os.getgid()).gr_name


def written(root):
    return root / "etc/tmpfiles.d/courier-mta.conf"


def test_writes_a_file_of_the_same_name(run, root):
    answer = run()
    assert answer["changed"]
    assert answer["kept"] == ["/var/lib/courier/msgs"]
    assert written(root).read_text() == tmpfiles.MARK + QUEUE.replace("D", "d", 1).replace(
        "0750 root root", ":0750 :root :root"
    )
    assert os.listdir(root / "etc/tmpfiles.d") == ["courier-mta.conf"]
    assert run()["changed"] is False


def test_a_dry_run_writes_nothing(run, root):
    assert run(check=True)["changed"]
    assert not written(root).exists()


def test_takes_what_a_newer_package_says(run, root):
    run()
    (root / "usr/lib/tmpfiles.d/courier-mta.conf").write_text(f"{QUEUE}z /usr/sbin/sendmail 2755 root root - -\n")
    assert run()["changed"]
    assert "z /usr/sbin/sendmail" in written(root).read_text()


@pytest.mark.parametrize("now", ["d /var/lib/courier/msgs\n", None], ids=["mended", "removed"])
def test_goes_when_nothing_is_emptied_any_more(run, root, now):
    run()
    package = root / "usr/lib/tmpfiles.d/courier-mta.conf"
    package.write_text(now) if now else package.unlink()
    assert run()["changed"]
    assert not written(root).exists()
    assert run()["changed"] is False


def test_leaves_alone_what_the_operator_wrote(run, root):
    (root / "usr/lib/tmpfiles.d/courier-mta.conf").unlink()
    written(root).write_text("d /var/lib/courier/msgs\n")
    assert run()["changed"] is False
    assert written(root).exists()


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="this machine has no systemd")
@pytest.mark.parametrize("mended", [False, True])
def test_systemd_keeps_what_is_there(run, root, mended):
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    message = root / "var/lib/courier/msgs/C1"
    message.touch()
    if mended:
        run()
    boot = ["systemd-tmpfiles", f"--root={root}", "--prefix=/var/lib/courier", "--create", "--remove", "--boot"]
    subprocess.run(boot, check=True, capture_output=True)
    assert message.exists() is mended
