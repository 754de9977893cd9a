from __future__ import annotations

from plugins.filter import watch
from plugins.module_utils._courier.aliases import Alias, aliasdir, render

SITE = {"domains": ["example.com"], "local": ["mx1.example.com"], "accounts": ["alice@example.com"]}


def test_an_address_is_given_to_its_program_under_a_name_of_the_program():
    found = watch.watch_aliases(
        [
            {"name": "proof@example.com", "word": "arrived"},
            {"name": "fbl@example.com", "word": "take", "copies": ["alice@example.com"]},
            {"name": "rua@example.com", "word": "take"},
        ]
    )
    aliases = [Alias(one["name"], tuple(one["targets"])) for one in found]
    assert render(aliases, me="mx1.example.com", **SITE).splitlines() == [
        "watch-arrived: program-watch_2darrived",
        "watch-take: program-watch_2dtake",
        "proof@example.com: watch-arrived",
        "fbl@example.com: watch-take, alice@example.com",
        "rua@example.com: watch-take",
    ]
    assert aliasdir(aliases) == {
        ".courier-program-watch_2darrived": "|/usr/local/lib/courier-mail-watch/hand arrived\n",
        ".courier-program-watch_2dtake": "|/usr/local/lib/courier-mail-watch/hand take\n",
    }


def test_nothing_is_read_where_nothing_is_wanted():
    assert watch.watch_aliases([]) == []
