"""Which facts the playbooks gather.

Where facts are kept (gathering smart, or a cache), a play gets those that the first one gathered. One with fewer than
another would make a run of both write something else than a run of each.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
NEEDED = {"!all", "!min", "distribution", "local", "network", "platform"}
GATHERING = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in sorted(PLAYBOOKS.glob("*.yml"))
    for play in yaml.safe_load(path.read_text())
    if play.get("gather_facts")
]


@pytest.mark.parametrize("play", GATHERING)
def test_whichever_play_is_first_gathers_what_all_need(play):
    assert set(play["gather_subset"]) >= NEEDED
