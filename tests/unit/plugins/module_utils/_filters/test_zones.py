from __future__ import annotations

import pytest

from plugins.module_utils._filters import _zones
from plugins.module_utils._filters._store import Store
from plugins.module_utils._filters.deny import Settings
from tests.unit.filtered import addresses

ACCESS = (
    "# ours\n127.0.0.1\tallow,RELAYCLIENT\n198.51.100\tallow,BLOCK,BOFHSPFMAILFROM=all\n"
    ":2001:0db8:0005\tallow,RELAYCLIENT,BLOCK\n203.0.113.1\tdeny\n"
    '203.0.113.2\tallow,BLOCK="550 Go away"\n203.0.113.3\tallow,BOFHCHECKDNS=0\n*\tallow,SIZELIMIT=1000\n'
)


@pytest.fixture
def site(tmp_path):
    for name in ("smtpaccess", "zones"):
        (tmp_path / name).mkdir()
    (tmp_path / "smtpaccess/default").write_text(ACCESS)
    store = Store(str(tmp_path / "store.sqlite"))
    settings = Settings(store=str(tmp_path / "store.sqlite"), known=addresses(tmp_path), never=["203.0.113.64/26"])

    def run():
        changed = _zones.run(settings, str(tmp_path / "zones"), str(tmp_path))
        return changed, {
            path.name: path.read_text().splitlines()[1:] for path in sorted((tmp_path / "zones").iterdir())
        }

    run.store, run.path = store, tmp_path / "store.sqlite"
    return run


def test_good_are_ours_and_whom_smtpaccess_lets_pass(site):
    _changed, files = site()
    assert files["allow4.listed"] == ["192.0.2.0/28", "198.51.100.0/24", "203.0.113.64/26"]
    assert files["allow6.listed"] == ["2001:db8:5::/48"]


def test_bad_are_those_that_are_refused_here(site):
    for source in ("203.0.113.9", "203.0.113.70", "192.0.2.3", "198.51.100.7", "2001:db8:9:1::/64"):
        for _time in range(3):
            site.store.add("trap", source, 1.0, "spam trap")
    changed, files = site()
    assert (files["block4.listed"], files["block6.listed"]) == (["203.0.113.9"], ["2001:db8:9:1::/64"])
    assert changed == ["block4.listed", "block6.listed", "allow4.listed", "allow6.listed"]
    site.store.pardon(["trap"], "203.0.113.9")
    assert site() == (["block4.listed"], files | {"block4.listed": []})
    assert site()[0] == []


def test_makes_no_store(site):
    site.store.close()
    site.path.unlink()
    assert site()[1]["block4.listed"] == []
    assert not site.path.exists()
