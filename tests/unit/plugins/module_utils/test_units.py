"""What systemd says of units, and what follows from it; files are real ones."""

from __future__ import annotations

import os

import pytest

from plugins.module_utils._units import PROPERTIES, Plan, State, Unit, parse, plan, without_passwords

# systemctl of Debian 12, asked for courier-mta, ssh and a unit that nobody has. It keeps its own order of properties.
SHOWN = """\
RequiredBy=courier-mta-ssl.service courier-msa.service
ConsistsOf=courierfilter.service
LoadState=loaded
ActiveState=active
FragmentPath=/lib/systemd/system/courier-mta.service
DropInPaths=/etc/systemd/system/courier-mta.service.d/a.conf /etc/systemd/system/courier-mta.service.d/b.conf
UnitFileState=enabled
InactiveExitTimestampMonotonic=18273645
NeedDaemonReload=yes

RequiredBy=
ConsistsOf=
LoadState=loaded
ActiveState=failed
FragmentPath=/lib/systemd/system/ssh.service
DropInPaths=
UnitFileState=disabled
InactiveExitTimestampMonotonic=0
NeedDaemonReload=no

RequiredBy=
ConsistsOf=
LoadState=not-found
ActiveState=inactive
FragmentPath=
DropInPaths=
UnitFileState=
InactiveExitTimestampMonotonic=0
NeedDaemonReload=no
"""

STATES = [
    State(
        installed=True,
        active="active",
        file="enabled",
        started=18273645,
        changed=True,
        definition=[
            "/lib/systemd/system/courier-mta.service",
            "/etc/systemd/system/courier-mta.service.d/a.conf",
            "/etc/systemd/system/courier-mta.service.d/b.conf",
        ],
        followers=["courierfilter.service", "courier-mta-ssl.service", "courier-msa.service"],
    ),
    State(
        installed=True,
        active="failed",
        file="disabled",
        started=0,
        changed=False,
        definition=["/lib/systemd/system/ssh.service"],
        followers=[],
    ),
    State(installed=False, active="inactive", file="", started=0, changed=False, definition=[], followers=[]),
]

# The unit of the tables started this long after the boot, in microseconds; BOOT is in nanoseconds of the wall clock.
STARTED = 60_000_000
BOOT = 1_700_000_000 * 10**9
START = BOOT + STARTED * 1000

UP = State(True, "active", "enabled", STARTED, False, [], [])
DOWN = State(True, "inactive", "disabled", 0, False, [], [])
NOTHING = Plan([], [], [], [], [])

RUNNING = {
    "nothing to do": (UP, {}),
    "inactive": (UP._replace(active="inactive"), {"started": ["u"]}),
    "failed": (UP._replace(active="failed"), {"started": ["u"]}),
    "still on its way up": (UP._replace(active="activating"), {"started": ["u"]}),
    "on its way down": (UP._replace(active="deactivating"), {"started": ["u"]}),
    "never started": (DOWN, {"started": ["u"], "enabled": ["u"]}),
    "not installed yet": (STATES[2], {"started": ["u"], "enabled": ["u"]}),
    "disabled": (UP._replace(file="disabled"), {"enabled": ["u"]}),
    "enabled until the next boot": (UP._replace(file="enabled-runtime"), {"enabled": ["u"]}),
    "linked": (UP._replace(file="linked"), {"enabled": ["u"]}),
    "masked": (UP._replace(file="masked"), {"enabled": ["u"]}),
    "of another unit": (UP._replace(file="alias"), {}),
    "static": (UP._replace(file="static"), {}),
    "indirect": (UP._replace(file="indirect"), {}),
    "generated": (UP._replace(file="generated"), {}),
    "its definition waits to be read": (UP._replace(changed=True), {"restarted": ["u"]}),
    "its definition waits, and it is down": (UP._replace(active="failed", changed=True), {"started": ["u"]}),
}

STOPPED = {
    "nothing to do": (DOWN, {}),
    "failed": (DOWN._replace(active="failed"), {}),
    "not installed": (STATES[2], {}),
    "active": (DOWN._replace(active="active"), {"stopped": ["u"]}),
    "still on its way up": (DOWN._replace(active="activating"), {"stopped": ["u"]}),
    "enabled": (DOWN._replace(file="enabled"), {"disabled": ["u"]}),
    "enabled until the next boot": (DOWN._replace(file="enabled-runtime"), {"disabled": ["u"]}),
    "active and enabled": (UP, {"stopped": ["u"], "disabled": ["u"]}),
    "static": (DOWN._replace(file="static"), {}),
    "masked": (DOWN._replace(file="masked"), {}),
    "its definition waits to be read": (DOWN._replace(changed=True), {}),
}

# Paths that were modified, in nanoseconds after the start, and whether the unit reads them too late.
TOUCHED = {
    "no file": ({}, False),
    "older files": ({"esmtpd": -1000, "esmtpd-msa": -2000}, False),
    "a file of the same moment": ({"esmtpd": 0}, False),
    "a newer file": ({"esmtpd": 1000, "esmtpd-msa": -1000}, True),
    "a newer file that it does not read": ({"esmtpd": -1000, "imapd": 1000}, False),
    "a newer file in a directory": ({"access/site": 1000, "access": -1000}, True),
    "older files in a directory": ({"access/site": -1000, "access": -1000}, False),
    "a file removed from a directory": ({"access/site": -1000, "access": 1000}, True),
    "a newer definition": ({"u.service": 1000}, True),
    "a newer drop-in": ({"u.service": -1000, "drop-in.conf": 1000}, True),
    "older definitions": ({"u.service": -1000, "drop-in.conf": -1000}, False),
}

JOURNALS = {
    "a login": (
        'error,relay=::1,msg="535 Authentication failed.",cmd: AUTH PLAIN AGFsaWNlAHNlY3JldA==',
        'error,relay=::1,msg="535 Authentication failed.",cmd: AUTH PLAIN ********',
    ),
    "a login with the name behind it": ("cmd: AUTH LOGIN YWxpY2U= alice", "cmd: AUTH LOGIN ********"),
    "two logins": (
        "cmd: AUTH PLAIN AGFsaWNl\ncmd: QUIT\ncmd: AUTH LOGIN Ym9i\n",
        "cmd: AUTH PLAIN ********\ncmd: QUIT\ncmd: AUTH LOGIN ********\n",
    ),
    "a login in small letters": ("cmd: auth plain AGFsaWNl", "cmd: auth plain ********"),
    "a password that was asked for": (
        'msg="535 Authentication failed.",cmd: YWRvYmVhZG9iZQ==',
        'msg="535 Authentication failed.",cmd: ********',
    ),
    "what is no login": (
        'msg="502 ESMTP command error",cmd: RCPT TO:<a@b>',
        'msg="502 ESMTP command error",cmd: RCPT TO:<a@b>',
    ),
    "a login without more": ("cmd: AUTH LOGIN\nStarted.\n", "cmd: AUTH LOGIN\nStarted.\n"),
    "no login": ("AUTHENTICATED by DAUTH PLAIN means\n", "AUTHENTICATED by DAUTH PLAIN means\n"),
    "nothing": ("", ""),
}


def steps(**lists):
    return NOTHING._replace(**lists)


def test_reads_what_systemctl_shows():
    assert parse(SHOWN) == STATES


def test_asks_for_what_it_reads():
    assert {line.split("=")[0] for line in SHOWN.split("\n") if line} == set(PROPERTIES)


@pytest.mark.parametrize(("state", "lists"), RUNNING.values(), ids=RUNNING)
def test_what_a_unit_needs_that_shall_run(state, lists):
    assert plan([Unit("u", True)], [state], BOOT) == steps(**lists)


@pytest.mark.parametrize(("state", "lists"), STOPPED.values(), ids=STOPPED)
def test_what_a_unit_needs_that_shall_not_run(state, lists):
    assert plan([Unit("u", False)], [state], BOOT) == steps(**lists)


@pytest.mark.parametrize(("modified", "late"), TOUCHED.values(), ids=TOUCHED)
def test_a_unit_is_restarted_when_it_is_older_than(tmp_path, modified, late):
    for name in modified:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name != "access":
            path.touch()
    for name, after in modified.items():
        os.utime(tmp_path / name, ns=(START + after,) * 2)
    unit = Unit("u", True, [f"{tmp_path}/{name}" for name in ("esmtpd", "esmtpd-msa", "access", "esmtpd/none")])
    state = UP._replace(definition=[f"{tmp_path}/u.service", f"{tmp_path}/drop-in.conf"])

    assert plan([unit], [state], BOOT) == steps(restarted=["u"] if late else [])
    assert plan([unit], [state._replace(active="inactive")], BOOT) == steps(started=["u"])
    assert plan([unit._replace(running=False)], [state], BOOT) == steps(stopped=["u"], disabled=["u"])


def test_removing_a_file_is_seen_by_the_directory(tmp_path):
    (tmp_path / "site").touch()
    os.utime(tmp_path / "site", ns=(START - 1000,) * 2)
    os.utime(tmp_path, ns=(START - 1000,) * 2)
    unit = Unit("u", True, [str(tmp_path)])
    assert plan([unit], [UP], BOOT) == NOTHING
    (tmp_path / "site").unlink()
    assert plan([unit], [UP], BOOT) == steps(restarted=["u"])


def test_a_plan_keeps_the_order():
    units = [Unit("b", True), Unit("c", False), Unit("a", True), Unit("d", True)]
    assert plan(units, [DOWN, UP, DOWN, UP._replace(changed=True)], BOOT) == Plan(
        started=["b", "a"], restarted=["d"], stopped=["c"], enabled=["b", "a"], disabled=["c"]
    )


def test_no_units_need_nothing():
    assert plan([], [], BOOT) == NOTHING


@pytest.mark.parametrize(("journal", "shown"), JOURNALS.values(), ids=JOURNALS)
def test_a_journal_without_passwords(journal, shown):
    assert without_passwords(journal) == shown
