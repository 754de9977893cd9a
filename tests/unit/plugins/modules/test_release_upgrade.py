"""The module with a directory in the place of /etc, and programs in the place of apt's, which note their calls."""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import time
from pathlib import Path

import pytest

from plugins.modules import release_upgrade
from tests.unit.run_module import run_module

DOORS = ["courier-mta.service", "courier.service", "courier-pop.service"]
SOURCES = "deb http://deb.debian.org/debian bookworm main\n"
ESMTPD = "TCPDOPTS=-noidentlookup\n"
TARGETS = "Debian|{codename}|http://deb.debian.org/debian/|/etc/apt/sources.list:1"
# Each answers what its real one would, and fails when a file of its name and first word says so.
PROGRAM = r"""#!/bin/sh
name=$(basename "$0")
echo "$name $*" >>"{root}/calls"
case "$name $*" in
  *indextargets*SourceList* | *SourceList*indextargets*) echo '{new}' ;;
  *indextargets*) echo '{old}' ;;
  *"--simulate full-upgrade"*)
    case "$*" in *SourceList*) echo "Inst courier-mta [1.0.16-3+b6] (1.4.1-3+deb13u2 Debian:13.8/stable)" ;; esac ;;
  *"--assume-no full-upgrade"*)
    printf 'Need to get 113 MB of archives.\nAfter this operation, 112 MB of additional disk space will be used.\n'
    exit 1 ;;
  *--download-only*) [ ! -e "{root}/no-network" ] || exit 100 ;;
  *"upgrade --without-new-pkgs"*)
    [ ! -e "{root}/apt-fails" ] || {{ echo "E: a package did not like it"; exit 100; }}
    sh "{root}/unpack" ;;
  *--print-architecture*) echo amd64 ;;
  dpkg-query*) cat "{root}/ssh" 2>/dev/null || exit 1 ;;
  *--compare-versions*) exec /usr/bin/dpkg "$@" ;;
  *showhold*) cat "{root}/held" 2>/dev/null || true ;;
  *"show --property=LoadState"*) printf 'loaded\n\nloaded\n\nnot-found\n' ;;
  *MainPID*courier-mta.service) cat "{root}/listener" 2>/dev/null || echo 0 ;;
  *MainPID*) echo 0 ;;
  *"list-units --state=active"*) printf '%s loaded active x\n' courier.service courier-mail-deny.timer ;;
  *"mask -- "*) for unit in courier-mta courier; do ln -sf /dev/null "{root}/etc/systemd/system/$unit.service"; done ;;
  *ActiveEnterTimestamp*) date +@%s ;;
  *--failed*) echo "apt-news.service loaded failed failed News" ;;
esac
"""
UNPACK = r"""
cd "{root}"
echo 13.8 >etc/debian_version
printf 'TCPDOPTS=\n' >etc/courier/esmtpd.dpkg-dist
printf '10\tallow,RELAYCLIENT\n' >etc/courier/smtpaccess/default.dpkg-dist
printf 'new\n' >etc/ssh.dpkg-dist
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("etc/apt", "etc/courier/smtpaccess", "etc/systemd/system", "bin", "msgs/0"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/debian_version").write_text("12.13\n")
    (tmp_path / "etc/apt/sources.list").write_text(SOURCES)
    (tmp_path / "etc/courier/esmtpd").write_text(ESMTPD)
    (tmp_path / "etc/courier/smtpaccess/default").write_text("127.0.0.1\tallow,RELAYCLIENT\n")
    (tmp_path / "msgs/0/C1").touch()
    (tmp_path / "unpack").write_text(UNPACK.format(root=tmp_path))
    answers = {"old": TARGETS.format(codename="bookworm"), "new": TARGETS.format(codename="trixie")}
    for name in ("apt-get", "apt-mark", "dpkg", "dpkg-query", "systemctl"):
        program = tmp_path / "bin" / name
        program.write_text(PROGRAM.format(root=tmp_path, **answers))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    monkeypatch.setattr(release_upgrade, "ETC", tmp_path / "etc")
    monkeypatch.setattr(release_upgrade, "UNITS", tmp_path / "etc/systemd/system")
    monkeypatch.setattr(release_upgrade, "QUEUE", tmp_path / "msgs")
    monkeypatch.setattr(release_upgrade, "PROC", tmp_path / "proc")
    monkeypatch.setattr(release_upgrade, "REVERT", tmp_path / "revert")
    return tmp_path


@pytest.fixture
def run(root):
    def run(step, **options):
        given = {"doors": DOORS, "stopped": ["courier-mail-*.timer"], "backup_hours": 0, "memory": 0, "reserve": 0}
        given |= {"directory": str(root / "upgrade"), "step": step}
        return run_module(release_upgrade, **(given | options))

    return run


def calls(root, word=""):
    lines = (root / "calls").read_text().splitlines() if (root / "calls").exists() else []
    return [line for line in lines if word in line]


def state(root):
    return json.loads((root / "upgrade/state.json").read_text())


class TestLook:
    @pytest.mark.parametrize("check", [False, True])
    def test_changes_nothing(self, run, root, check):
        answer = run("look", check=check)
        assert (answer["changed"], answer["stage"], answer["refusals"]) == (False, "before", [])
        assert (answer["download"], answer["queue"]) == (113 * 10**6, 1)
        assert not (root / "upgrade").exists()
        assert (root / "etc/apt/sources.list").read_text() == SOURCES
        assert [call for call in calls(root) if " update" in call and "SourceList" not in call] == []

    def test_refuses_too_little_disk(self, run):
        (refusal,) = run("look", reserve=10**9)["refusals"]
        assert refusal.endswith("make room there, for example with: apt-get clean")

    def test_refuses_what_is_held(self, run, root):
        (root / "held").write_text("nginx\n")
        (refusal,) = run("look")["refusals"]
        assert refusal.startswith("packages are held: nginx;")

    @pytest.mark.parametrize(
        ("version", "refused"), [("1:9.2p1-2+deb12u6", 1), ("1:9.2p1-2+deb12u7", 0), ("1:10.0p1-7", 0)]
    )
    def test_refuses_a_server_of_ssh_that_lets_nobody_in(self, run, root, version, refused):
        (root / "ssh").write_text(version)
        assert len(run("look")["refusals"]) == refused

    def test_refuses_a_host_without_a_backup(self, run):
        (refusal,) = run("look", backup_hours=24, backup_state="/nonexistent")["refusals"]
        assert refusal.startswith("no backup of this host is known")

    @pytest.mark.parametrize("broken", ["", "no JSON", "[]", '{"finished": "yesterday"}'])
    def test_believes_no_broken_state_of_backups(self, run, root, broken):
        (root / "backup.json").write_text(broken)
        assert len(run("look", backup_hours=24, backup_state=str(root / "backup.json"))["refusals"]) == 1

    @pytest.mark.parametrize(("ahead", "refused"), [(0, 0), (-90, 1), (90, 1)])
    def test_refuses_a_clock_that_is_wrong(self, run, ahead, refused):
        assert len(run("look", now=time.time() - ahead)["refusals"]) == refused

    def test_takes_no_slow_mirror_for_a_wrong_clock(self, run, root, monkeypatch):
        monkeypatch.setattr(time, "time", lambda: 1000.0 + 100 * len(calls(root)))
        assert run("look", now=1000)["refusals"] == []

    def test_finds_debian_13_done(self, run, root):
        (root / "etc/debian_version").write_text("13.8\n")
        assert run("look")["stage"] == "done"
        assert calls(root) == []


class TestUntilPackagesAreUnpacked:
    def test_fetching_leaves_the_host_alone(self, run, root):
        assert run("fetch")["changed"]
        assert (root / "etc/apt/sources.list").read_text() == SOURCES
        assert (root / "upgrade/apt/sources.list").read_text() == SOURCES.replace("bookworm", "trixie")
        assert calls(root, "systemctl") == []

    def test_what_cannot_be_fetched_is_said(self, run, root):
        (root / "no-network").touch()
        assert "ended with 100" in run("fetch")["msg"]

    def test_there_is_a_way_back(self, run, root):
        run("fetch")
        release_upgrade.Upgrade(Module(root))._shut()
        answer = run("leave")
        assert (answer["changed"], answer["stage"]) == (True, "before")
        assert not (root / "upgrade").exists()
        said = calls(root, "systemctl")
        assert said[-2:] == [
            "systemctl unmask -- courier-mta.service courier.service",
            "systemctl start -- courier.service courier-mail-deny.timer",
        ]

    def test_packages_need_fetching(self, run, root):
        assert "take the step fetch first" in run("packages")["msg"]
        assert calls(root, "systemctl") == []


class Module:
    """What a step needs of a module."""

    def __init__(self, root):
        self.params = {"directory": str(root / "upgrade"), "doors": DOORS, "stopped": ["courier-mail-*.timer"]}

    def run_command(self, command, environ_update):
        done = release_upgrade.subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


class TestPackages:
    @pytest.fixture
    def upgraded(self, run):
        run("fetch")
        return run("packages")

    def test_shuts_the_doors_first(self, upgraded, root):
        said = calls(root)
        order = [
            "stop -- courier-mail-*",
            "stop -- courier-mta",
            " mask -- courier-mta",
            "without-new-pkgs",
            " full-upgrade",
        ]
        found = [
            next(number for number, call in enumerate(said) if word in call and "download" not in call)
            for word in order
        ]
        assert found == sorted(found)
        assert state(root)["masked"] == ["courier-mta.service", "courier.service"]

    def test_asks_nobody(self, upgraded, root):
        (minimal,) = calls(root, "without-new-pkgs")
        assert "Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold" in minimal

    def test_changes_the_sources_and_keeps_the_old(self, upgraded, root):
        assert (root / "etc/apt/sources.list").read_text() == SOURCES.replace("bookworm", "trixie")
        assert (root / "upgrade/sources/apt/sources.list").read_text() == SOURCES
        assert calls(root)[-1] == "apt-get --quiet update"

    def test_takes_texts_of_packages_where_roles_set_values(self, upgraded, root):
        assert (root / "etc/courier/esmtpd").read_text() == "TCPDOPTS=\n"
        assert (root / "upgrade/courier/esmtpd").read_text() == ESMTPD
        assert stat.S_IMODE((root / "upgrade/courier").stat().st_mode) == 0o700

    def test_leaves_nothing_that_courier_would_compile(self, upgraded, root):
        assert os.listdir(root / "etc/courier/smtpaccess") == ["default"]
        assert "127.0.0.1" in (root / "etc/courier/smtpaccess/default").read_text()

    def test_leaves_nothing_to_go_back_to(self, run, root):
        (root / "revert").mkdir()
        (root / "revert/20261126T101500Z.tar.gz").touch()
        run("fetch")
        run("packages")
        assert not (root / "revert").exists()
        assert os.listdir(root / "upgrade/revert") == ["20261126T101500Z.tar.gz"]

    def test_says_what_else_differs(self, upgraded, root):
        assert (upgraded["stage"], upgraded["queue"]) == ("upgraded", 1)
        assert upgraded["differing"] == [str(root / "etc/ssh.dpkg-dist")]

    def test_is_not_done_twice(self, upgraded, run, root):
        before = len(calls(root, "apt-get"))
        assert run("packages")["changed"] is False
        assert len(calls(root, "apt-get")) == before

    def test_there_is_no_way_back(self, upgraded, run, root):
        answer = run("leave")
        assert (answer["changed"], answer["stage"]) == (False, "upgraded")
        assert (root / "upgrade").exists()

    def test_ends_with_open_doors(self, upgraded, run, root):
        assert run("open")["changed"]
        doors = "courier-mta.service courier.service"
        # A boot before the roles opens none.
        assert calls(root)[-2:] == [f"systemctl unmask -- {doors}", f"systemctl disable -- {doors}"]
        answer = run("finish")
        assert (answer["stage"], answer["failed_units"]) == ("done", ["apt-news.service"])
        assert 0 <= answer["shut"] < 60
        assert not (root / "upgrade/archives").exists()
        assert calls(root, "systemctl start") == ["systemctl start -- courier-mail-deny.timer"]
        assert run("finish")["changed"] is False


class TestWhatIsCutOff:
    def test_says_what_apt_said(self, run, root):
        run("fetch")
        (root / "apt-fails").touch()
        answer = run("packages")
        assert "E: a package did not like it" in answer["msg"]
        assert state(root)["stage"] == "begun"
        assert run("leave")["changed"] is False

    def test_goes_on(self, run, root):
        run("fetch")
        (root / "apt-fails").touch()
        run("packages")
        (root / "apt-fails").unlink()
        (root / "calls").unlink()
        assert run("look")["stage"] == "begun"
        answer = run("packages")
        assert answer["stage"] == "upgraded"
        said = [call for call in calls(root) if call.startswith(("dpkg --force", "apt-get --yes"))]
        assert said[0] == "dpkg --force-confdef --force-confold --configure --pending"
        assert said[1].endswith("--fix-broken install")
        assert said[2].endswith("upgrade --without-new-pkgs")

    def test_knows_when_and_what_it_stopped_the_first_time(self, run, root):
        run("fetch")
        (root / "apt-fails").touch()
        run("packages")
        shut = state(root)["shut"]
        assert len(calls(root, "list-units --state=active")) == 1
        (root / "apt-fails").unlink()
        run("packages")
        assert state(root)["shut"] == shut
        assert len(calls(root, "list-units --state=active")) == 1

    def test_changes_sources_that_it_did_not_come_to(self, run, root):
        run("fetch")
        (root / "apt-fails").touch()
        run("packages")
        (root / "apt-fails").unlink()
        (root / "etc/apt/sources.list").write_text(SOURCES)
        run("packages")
        assert (root / "etc/apt/sources.list").read_text() == SOURCES.replace("bookworm", "trixie")

    def test_remembers_the_queue_of_the_first_time(self, run, root):
        run("fetch")
        (root / "apt-fails").touch()
        run("packages")
        (root / "apt-fails").unlink()
        (root / "msgs/0/C1").unlink()
        assert "1 messages are no longer in the queue: C1" in run("packages")["msg"]

    def test_forgets_sources_that_are_gone(self, run, root):
        extra = root / "etc/apt/sources.list.d/b.list"
        extra.parent.mkdir()
        extra.write_text(SOURCES)
        run("fetch")
        extra.unlink()
        run("fetch")
        assert not (root / "upgrade/apt/sources.list.d/b.list").exists()

    def test_loses_no_message_in_silence(self, run, root):
        run("fetch")
        with (root / "unpack").open("a") as script:
            script.write("rm msgs/0/C1\n")
        assert "1 messages are no longer in the queue: C1" in run("packages")["msg"]


class TestQuiet:
    """What is just coming in or going out is waited for, while nobody else gets in."""

    @pytest.fixture
    def listener(self, root):
        with subprocess.Popen(["sleep", "60"]) as process:
            (root / "listener").write_text(f"{process.pid}\n")
            yield process
            process.kill()

    @pytest.fixture
    def opened(self, root):
        descriptors = root / "proc/7/fd"
        descriptors.mkdir(parents=True)

        def opened(path):
            (descriptors / "5").symlink_to(path)

        return opened

    def halted(self, process):
        """Whether it is halted, or is at once."""
        told = Path("/proc") / str(process.pid) / "stat"
        deadline = time.monotonic() + 5
        while (state := told.read_text().rpartition(")")[2].split()[0]) != "T" and time.monotonic() < deadline:
            select.select([], [], [], 0.01)
        return state == "T"

    @pytest.mark.parametrize("path", ["/var/lib/courier/msgs/0/D12", "/var/lib/courier/tmp/179569/12.mx1"])
    def test_an_open_message_is_waited_for(self, run, root, opened, listener, monkeypatch, path):
        opened(path)
        seen = []

        def sleep(_seconds):
            seen.append(self.halted(listener))
            if len(seen) == 2:
                (root / "proc/7/fd/5").unlink()

        monkeypatch.setattr("time.sleep", sleep)
        run("fetch")
        run("packages")
        assert seen == [True, True]
        assert (Path("/proc") / str(listener.pid) / "stat").read_text().rpartition(")")[2].split()[0] != "T"
        assert calls(root, "systemctl stop -- courier-mta")

    @pytest.mark.parametrize(
        "path", ["/var/lib/courier/tmp/trigger", "/var/lib/courier/tmp/courierd.lock", "/dev/null"]
    )
    def test_what_is_always_open_is_not(self, run, opened, monkeypatch, path):
        opened(path)
        monkeypatch.setattr("time.sleep", pytest.fail)
        run("fetch")
        assert run("packages")["stage"] == "upgraded"

    def test_patience_ends(self, run, root, opened, monkeypatch):
        opened("/var/lib/courier/msgs/0/D12")
        monkeypatch.setattr(release_upgrade, "PATIENCE", 0.3)
        run("fetch")
        assert run("packages")["stage"] == "upgraded"
