"""What units may not do."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.hardening import hardening

UNITS = {"courier.service": {"PrivateTmp": True, "ProtectSystem": "full"}, "spamd.service": {"PrivateTmp": True}}
REFUSED = {
    "a unit that is not there": (
        {"courier": ["PrivateTmp"]},
        "mail_hardening_exceptions has courier, which is no unit that anything is taken from; "
        "write one of courier.service, spamd.service",
    ),
    "an option that is not there": (
        {"spamd.service": ["ProtectSystem"]},
        "mail_hardening_exceptions of spamd.service has ProtectSystem; write a list of PrivateTmp, or [all]",
    ),
    "no list": (
        {"spamd.service": "PrivateTmp"},
        "mail_hardening_exceptions of spamd.service has PrivateTmp; write a list of PrivateTmp, or [all]",
    ),
}


def texts(*arguments):
    return [file["content"] for file in hardening(UNITS, *arguments)["files"]]


def test_makes_a_drop_in_for_each_unit():
    made = hardening(UNITS)
    assert made["directories"] == [{"path": f"/etc/systemd/system/{unit}.d"} for unit in UNITS]
    assert made["files"][0]["path"] == "/etc/systemd/system/courier.service.d/courier-mail-hardening.conf"
    assert made["files"][0]["content"].endswith("[Service]\nPrivateTmp=true\nProtectSystem=full\n")


def test_leaves_out_what_is_excepted():
    first, second = texts(True, {"courier.service": ["PrivateTmp"], "spamd.service": ["all"]})
    assert first.endswith("[Service]\nProtectSystem=full\n")
    assert second is None


def test_takes_nothing_where_nothing_is_wanted():
    assert texts(False) == [None, None]


@pytest.mark.parametrize(("exceptions", "what"), REFUSED.values(), ids=REFUSED)
def test_refuses(exceptions, what):
    with pytest.raises(AnsibleFilterError) as refusal:
        hardening(UNITS, True, exceptions)
    assert str(refusal.value) == what
