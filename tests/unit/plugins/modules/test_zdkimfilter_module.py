"""The module on a host with a dpkg-query and a zdkimsign of its own."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from plugins.modules import zdkimfilter
from tests.unit.run_module import run_module

PROGRAMS = {
    "dpkg-query": """cat "$home/installed" """,
    # -f FILE --config
    "zdkimsign": """
echo "$1 $3" >>"$home/asked"
grep -n '^verbose = 9' "$2" >/dev/null || exit 0
echo "Invalid value 9 at line 2 in $2" >&2
exit 1""",
}


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("etc/filters/active", "etc/filters/keys", "etc/dkim/example.com", "programs", "bin"):
        (tmp_path / name).mkdir(parents=True)
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\nhome={tmp_path}\n{text}\n")
        program.chmod(0o755)
    (tmp_path / "installed").write_text("installed 2.0-1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(zdkimfilter, "UNITS", str(tmp_path))
    # Whoever runs the tests is courier, and root on the host.
    me, mine = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: me)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: mine)
    key(tmp_path)
    return tmp_path


def key(host, mode=0o640, domain="example.com"):
    path = host / f"etc/dkim/{domain}/sel.private"
    path.parent.mkdir(exist_ok=True)
    path.write_text("a key")
    path.chmod(mode)
    link = host / f"etc/filters/keys/{domain}"
    link.unlink(missing_ok=True)
    link.symlink_to(f"../../dkim/{domain}/sel.private")


def run(host, **arguments):
    where = {"directory": f"{host}/etc", "programs": f"{host}/programs", "domain": "example.com"}
    return run_module(zdkimfilter, **where | {"options": {"all_mode": True}} | arguments)


def test_writes_the_configuration_and_the_links(host):
    answer = run(host)
    assert answer["changed"]
    conf = host / "etc/filters/zdkimfilter.conf"
    assert conf.read_text() == "# Managed by courier.mail\nall_mode = Y\n"
    assert conf.stat().st_mode & 0o777 == 0o640
    assert str((host / "etc/filters/active/000-zdkimfilter").readlink()) == f"{host}/programs/zdkimfilter"
    assert not run(host)["changed"]


def test_a_check_changes_nothing(host):
    assert run(host, check=True)["changed"]
    assert not (host / "etc/filters/zdkimfilter.conf").exists()
    assert list((host / "etc/filters/active").iterdir()) == []


def test_takes_out_what_the_package_has_started(host):
    (host / "etc/filters/active/zdkimfilter").symlink_to("/usr/lib/courier/filters/zdkimfilter")
    run(host)
    assert [path.name for path in (host / "etc/filters/active").iterdir()] == ["000-zdkimfilter"]


def test_puts_a_link_right(host):
    (host / "etc/filters/active/000-zdkimfilter").symlink_to("/nowhere")
    run(host)
    assert str((host / "etc/filters/active/000-zdkimfilter").readlink()) == f"{host}/programs/zdkimfilter"


def test_leaves_nothing(host):
    run(host)
    answer = run(host, running=False)
    assert len(answer["files"]) == 2
    assert not (host / "etc/filters/zdkimfilter.conf").exists()
    assert list((host / "etc/filters/active").iterdir()) == []
    assert not run(host, running=False)["changed"]


def test_shows_no_secret(host):
    answer = run(host, secrets={"db_password": "hunter2"})
    assert "db_password = ********" in str(answer["diff"])
    assert "hunter2" not in str(answer["diff"])


REFUSED = {
    "no package": ("", {}, "there is no package zdkimfilter on this host; write zdkimfilter_package"),
    "one that was removed": ("config-files 2.0-1", {}, "there is no package zdkimfilter on this host"),
    "another version": (
        "installed 3.20-1",
        {"version": "2.0"},
        "zdkimfilter_version is 2.0, and 3.20-1 is installed; write the same, or leave it out",
    ),
    "what the installed version lacks": (
        "installed 2.0-1",
        {"known": {"arc_seal": "bool"}, "options": {"arc_seal": True}},
        "zdkimfilter 2.0 has no option arc_seal",
    ),
    "what its own program refuses": (
        "installed 3.20-1",
        {"options": {"verbose": 9}},
        "zdkimsign refuses the options: Invalid value 9 at line 2 in the file",
    ),
    "a domain without a key": (
        "installed 2.0-1",
        {"domain": "example.org"},
        "filters/keys has no key for example.org, whose mail would leave unsigned",
    ),
}


@pytest.mark.parametrize(("installed", "arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(host, installed, arguments, sentence):
    (host / "installed").write_text(installed)
    answer = run(host, **arguments)
    assert sentence in answer["msg"]
    assert not (host / "etc/filters/zdkimfilter.conf").exists()


def test_2_0_is_not_asked(host):
    run(host, options={"verbose": 9})
    assert not (host / "asked").exists()


def test_3_0_is_asked_once(host):
    (host / "installed").write_text("installed 3.20-1")
    run(host)
    run(host)
    assert (host / "asked").read_text() == "-f --config\n"


def test_a_check_needs_no_package_and_no_keys(host):
    (host / "installed").write_text("")
    (host / "etc/filters/keys/example.com").unlink()
    (host / "etc/filters/keys").rmdir()
    assert run(host, check=True)["changed"]


@pytest.mark.parametrize("mode", [0o644, 0o642, 0o604])
def test_refuses_a_key_that_others_can_read(host, mode):
    key(host, mode)
    assert f"can be read by others than courier (mode {mode:04o})" in run(host)["msg"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o440, 0o400])
def test_takes_a_key_that_courier_can_read(host, mode):
    key(host, mode)
    assert "msg" not in run(host)


def test_refuses_a_key_that_another_group_can_read(host, monkeypatch):
    another = grp.struct_group(("courier", "x", os.getgid() + 1, []))
    monkeypatch.setattr(grp, "getgrnam", lambda _name: another)
    assert "can be read by others than courier (mode 0640)" in run(host, check=True)["msg"]


def test_refuses_a_key_that_courier_cannot_read(host):
    key(host, 0o200)
    assert "cannot be read by courier, and mail would leave unsigned" in run(host)["msg"]


def test_refuses_a_link_to_nowhere(host):
    key(host, domain="example.org")
    (host / "etc/dkim/example.org/sel.private").unlink()
    assert "leads to ../../dkim/example.org/sel.private, where there is no key" in run(host)["msg"]


def test_refuses_a_key_in_the_place_of_a_link(host):
    (host / "etc/filters/keys/example.net").write_text("a key")
    assert "filters/keys/example.net is no link, so that zdkimfilter does not know its selector" in run(host)["msg"]
