"""From Debian 12 to 13: sources in both formats, what apt prints, and what speaks against it."""

from __future__ import annotations

import pytest

from plugins.module_utils._upgrade import (
    Found,
    Limits,
    Space,
    Steps,
    Target,
    refusals,
    rewritten,
    sizes,
    steps,
    targets,
    together,
)

DEBIAN = {"http://deb.debian.org/debian", "http://deb.debian.org/debian-security"}
MB = 10**6

REWRITTEN = {
    "a line": ("deb http://deb.debian.org/debian bookworm main\n", "deb http://deb.debian.org/debian trixie main\n"),
    "updates": (
        "deb http://deb.debian.org/debian/ bookworm-updates main contrib",
        "deb http://deb.debian.org/debian/ trixie-updates main contrib",
    ),
    "security, with options": (
        "deb [arch=amd64 signed-by=/etc/apt/d.gpg] http://deb.debian.org/debian-security bookworm-security main",
        "deb [arch=amd64 signed-by=/etc/apt/d.gpg] http://deb.debian.org/debian-security trixie-security main",
    ),
    "sources": (
        "deb-src  http://deb.debian.org/debian   bookworm  main",
        "deb-src  http://deb.debian.org/debian   trixie  main",
    ),
    "deb822": (
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie trixie-updates\nComponents: main\n",
    ),
    "deb822 over several lines": (
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites:\n bookworm\n bookworm-updates\nComponents: main\n",
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites:\n trixie\n trixie-updates\nComponents: main\n",
    ),
    "the second of two stanzas": (
        "Types: deb\nURIs: https://packages.example.net/\nSuites: bookworm\n\n"
        "Types: deb\nURIs: http://deb.debian.org/debian-security/\nSuites: bookworm-security\n",
        "Types: deb\nURIs: https://packages.example.net/\nSuites: bookworm\n\n"
        "Types: deb\nURIs: http://deb.debian.org/debian-security/\nSuites: trixie-security\n",
    ),
}
LEFT = {
    "a comment": "# deb http://deb.debian.org/debian bookworm main\n",
    "somebody else's": "deb https://packages.example.net/debian bookworm main\n",
    "another release": "deb http://deb.debian.org/debian sid main\n",
    "a longer name": "deb http://deb.debian.org/debian bookworms main\n",
    "a component": "deb http://deb.debian.org/debian trixie bookworm\n",
    "a number of a release": "deb http://deb.debian.org/debian oldstable main\n",
    "nothing": "",
}


@pytest.mark.parametrize(("before", "after"), REWRITTEN.values(), ids=REWRITTEN)
def test_names_the_new_release(before, after):
    assert rewritten(before, DEBIAN) == after
    assert rewritten(after, DEBIAN) == after


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_leaves_other_sources_alone(text):
    assert rewritten(text, DEBIAN) == text


def test_knows_whose_packages_come():
    printed = (
        "Debian|bookworm|http://deb.debian.org/debian/|/etc/apt/sources.list:1\n"
        "Debian|bookworm|http://deb.debian.org/debian/|/etc/apt/sources.list:1\n"
        "Example|nodistro|https://packages.example.net/deb/|/etc/apt/sources.list.d/example.sources:2\n"
        "a warning\n"
    )
    assert targets(printed) == [
        Target("Debian", "bookworm", "http://deb.debian.org/debian", "/etc/apt/sources.list"),
        Target("Example", "nodistro", "https://packages.example.net/deb", "/etc/apt/sources.list.d/example.sources"),
    ]
    assert [one.is_debian for one in targets(printed)] == [True, False]


def test_knows_what_apt_would_do():
    printed = (
        "Reading package lists...\n"
        "Remv php8.2-fpm [8.2.36-1~deb12u1] [php8.2-xml:amd64 ]\n"
        "Inst php8.4-cli (8.4.28-1~deb13u1 Debian-Security:13/stable-security [amd64]) []\n"
        "Inst courier-mta [1.0.16-3+b6] (1.4.1-3+deb13u2 Debian:13.8/stable [amd64]) [php8.2:amd64 ]\n"
        "Conf courier-mta (1.4.1-3+deb13u2 Debian:13.8/stable [amd64])\n"
    )
    assert steps(printed) == Steps(["courier-mta"], ["php8.4-cli"], ["php8.2-fpm"])


SIZES = {
    "more": ("Need to get 113 MB of archives.\nAfter this operation, 112 MB of additional", (113 * MB, 112 * MB)),
    "some is here": (
        "Need to get 1,024 kB/113 MB of archives.\nAfter this operation, 2 GB of additional",
        (1024000, 2 * 10**9),
    ),
    "less": (
        "Need to get 0 B/113 MB of archives.\nAfter this operation, 5.5 MB disk space will be freed",
        (0, -5500000),
    ),
    "nothing": ("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n", (0, 0)),
}


@pytest.mark.parametrize(("printed", "size"), SIZES.values(), ids=SIZES)
def test_knows_how_much_it_is(printed, size):
    assert sizes(printed) == size


def test_adds_up_what_goes_to_one_file_system():
    wants = [("/", 100), ("/var", 20), ("/", 3)]
    assert together(wants, {"/": 1000, "/var": 5}) == [Space("/", 103, 1000), Space("/var", 20, 5)]


OLD_DEBIAN = Target("Debian", "bookworm", "http://deb.debian.org/debian", "/etc/apt/sources.list")
NEW_DEBIAN = OLD_DEBIAN._replace(codename="trixie")
FOREIGN = Target("Example", "nodistro", "https://packages.example.net/deb", "/etc/apt/sources.list.d/example.list")
LIMITS = Limits(memory=400 * MB, queue=1000, clock=60, backup=24, needed=["courier-*", "nginx"])
WELL = Found(
    architecture="amd64",
    targets=[OLD_DEBIAN],
    targets_after=[NEW_DEBIAN, NEW_DEBIAN._replace(codename="trixie-security")],
    steps=Steps(["courier-mta"], ["php8.4-cli"], ["php8.2-fpm"]),
    spaces=[Space("/", 700 * MB, 701 * MB)],
    pending=0,
    old_ssh=False,
    held=[],
    pins=[],
    broken="",
    memory=401 * MB,
    queue=1000,
    clock=-59.0,
    backup=23.9,
)
REFUSED = {
    "architecture": (
        {"architecture": "i386"},
        "the architecture is i386, for which there is no Debian 13; move to another host",
    ),
    "broken": (
        {"broken": "The following packages\n  are only half configured"},
        "packages are half installed: The following packages are only half configured; "
        "finish them with: dpkg --configure -a",
    ),
    "pending": ({"pending": 3}, "3 updates of Debian 12 wait; install them: apt-get update && apt-get full-upgrade"),
    "old SSH": (
        {"old_ssh": True},
        "openssh-server is older than 1:9.2p1-2+deb12u7, and would let nobody in if this is cut off; upgrade it first",
    ),
    "held": (
        {"held": ["nginx"]},
        "packages are held: nginx; release them (apt-mark unhold), or name them in upgrade_kept",
    ),
    "removed": (
        {"steps": Steps([], [], ["courier-mta", "nginx", "nginx-full"])},
        "apt would remove courier-mta, nginx, which mail needs; see why with: apt-get --simulate full-upgrade",
    ),
    "foreign": (
        {"targets": [OLD_DEBIAN, FOREIGN]},
        "packages come from elsewhere too: https://packages.example.net/deb; take these sources away until Debian 13 "
        "is here, or name those that serve it as they are written in upgrade_kept",
    ),
    "pins": (
        {"pins": ["/etc/apt/preferences"]},
        "apt prefers some packages: /etc/apt/preferences; take these files away, or name those that are right for "
        "Debian 13 in upgrade_kept",
    ),
    "a source that cannot be changed": (
        {"targets_after": [NEW_DEBIAN, OLD_DEBIAN._replace(file="/etc/apt/sources.list.d/b.list")]},
        "/etc/apt/sources.list.d/b.list would still name Debian 12; write the release as bookworm there, "
        "which becomes trixie",
    ),
    "no source": (
        {"targets_after": [FOREIGN]},
        "no source would name Debian 13; write the release as bookworm in /etc/apt/sources.list",
    ),
    "disk": (
        {"spaces": [Space("/", 700 * MB, 699 * MB), Space("/boot", 250 * MB, 300 * MB)]},
        "/ has 699 MB free, and 700 are needed; make room there, for example with: apt-get clean",
    ),
    "memory": (
        {"memory": 399 * MB},
        "399 MB of memory are free, and 400 are needed; stop what is not needed, or add swap",
    ),
    "clock": (
        {"clock": -61.0},
        "the clock of the host differs from the controller's by 61 seconds; "
        "set it right, for example with systemd-timesyncd",
    ),
    "queue": (
        {"queue": 1001},
        "1001 messages are in the queue; see why they wait (mailq), or raise upgrade_queue, which is 1000",
    ),
    "no backup": (
        {"backup": None},
        "no backup of this host is known; make one with courier.mail.backup, or write upgrade_backup_hours: 0 "
        "if you have another",
    ),
    "an old backup": (
        {"backup": 24.6},
        "the last backup is 25 hours old, and upgrade_backup_hours is 24; make one with courier.mail.backup",
    ),
}


def test_a_host_that_is_well_is_not_refused():
    assert refusals(WELL, LIMITS) == []


@pytest.mark.parametrize(("found", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(found, sentence):
    assert refusals(WELL._replace(**found), LIMITS) == [sentence]


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ({"targets": [OLD_DEBIAN, FOREIGN]}, FOREIGN.uri),
        ({"pins": ["/etc/apt/preferences"]}, "/etc/apt/preferences"),
        ({"held": ["nginx"]}, "nginx"),
    ],
)
def test_lets_pass_what_the_operator_knows(found, kept):
    assert refusals(WELL._replace(**found), LIMITS._replace(kept=[kept])) == []


@pytest.mark.parametrize("backup", [None, 1000.0])
def test_demands_no_backup_where_none_is_wanted(backup):
    assert refusals(WELL._replace(backup=backup), LIMITS._replace(backup=0)) == []


def test_says_all_at_once():
    assert len(refusals(WELL._replace(pending=1, queue=2000, memory=0), LIMITS)) == 3
