"""What every unit of ours promises: it comes back when it ends, however often."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from plugins.module_utils._watch._host_settings import UNITS as UNITS_WATCHED

ROLES = Path(__file__).parents[3] / "roles"
UNITS = sorted([*ROLES.glob("*/files/*.service"), *ROLES.glob("*/templates/*.service.j2")])
# Units that end with what they watch, and have it started anew, which starts them.
WATCHERS = {"courier-zdkimfilter.service"}
RESTART = re.compile(r"^Restart=(always|on-failure)$", re.MULTILINE)


def daemons():
    """Units that are to run all the time."""
    return [
        path
        for path in UNITS
        if "Type=oneshot" not in path.read_text()
        and path.name not in WATCHERS
        and "StandardInput=socket" not in path.read_text()
    ]


def test_there_are_some():
    assert {"courier-pythonfilter.service", "courier-forward.service"} <= {path.name for path in daemons()}


@pytest.mark.parametrize("path", daemons(), ids=lambda path: path.name)
def test_daemons_come_back(path):
    assert RESTART.search(path.read_text())


@pytest.mark.parametrize("path", daemons(), ids=lambda path: path.name)
def test_systemd_does_not_give_them_up(path):
    unit, _service, _rest = path.read_text().partition("[Service]")
    assert "\nStartLimitIntervalSec=0\n" in unit


def test_every_daemon_whose_rights_are_taken_comes_back():
    known = yaml.safe_load((ROLES / "mailhost/vars/main.yml").read_text())
    own = {path.name.removesuffix(".j2") for path in daemons()}
    # Their roles have drop-ins of their own.
    scanners = {"clamav-daemon.service", "spamd.service"}
    assert set(known["__mailhost_rights"]) <= set(known["__mailhost_restart_after"]) | own | scanners


@pytest.mark.parametrize("template", ["clamav/templates/service.conf.j2", "spamassassin/templates/unit.conf.j2"])
def test_scanners_come_back(template):
    text = (ROLES / template).read_text()
    assert RESTART.search(text)
    assert "StartLimitIntervalSec=0" in text.partition("[Service]")[0]


def test_the_name_server_of_our_lists_comes_back():
    text = (ROLES.parent / "plugins/modules/rbldnsd.py").read_text()
    unit = text[text.index("[Unit]") : text.index("[Install]")]
    assert RESTART.search(unit)
    assert "StartLimitIntervalSec=0" in unit.partition("[Service]")[0]


def test_no_listener_opens_without_the_filters():
    socket = (ROLES / "pythonfilter/files/courier-pythonfilter.socket").read_text()
    listeners = {"courier-mta.service", "courier-msa.service", "courier-mta-ssl.service"}
    for key in ("Before", "RequiredBy"):
        (named,) = re.findall(f"^{key}=(.*)$", socket, re.MULTILINE)
        assert listeners <= set(named.split())


# Who watches the watch: that nobody has looked is told by what tells.
WATCH = {f"courier-mail-watch-{part}.timer" for part in ("blocklists", "look", "metrics", "prove", "prune")}
# Templates are judged by their own time: fetchmail by the last time it reached a mailbox, the drill by who runs it.
OTHERWISE = {"fetchmail@.service", "courier-mail-drill.service"}


def test_every_daemon_and_timer_is_watched():
    known = yaml.safe_load((ROLES / "mailhost/vars/main.yml").read_text())
    timers = {path.name for path in ROLES.glob("*/files/*.timer")}
    own = {path.name.removesuffix(".j2") for path in daemons()} | WATCHERS | timers
    wanted = (own | set(known["__mailhost_restart_after"])) - WATCH - OTHERWISE
    # One that is started by its socket is well where that is.
    missed = {name for name in wanted - set(UNITS_WATCHED) if name.replace(".service", ".socket") not in UNITS_WATCHED}
    assert missed == set()
