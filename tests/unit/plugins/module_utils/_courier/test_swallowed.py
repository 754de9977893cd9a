"""Addresses whose mail is thrown away: traps and sinks."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier import bofh
from plugins.module_utils._courier.aliases import (
    ALIASDIR_PREFIXES,
    Alias,
    AliasError,
    aliasdir,
    parse,
    refused_names,
    render,
    traps,
)
from plugins.module_utils._filters._names import stands_for

SITE = {
    "domains": ["example.com", "old.example.com"],
    "local": ["localhost", "mx1.example.com"],
    "accounts": ["alice@example.com", "bob@old.example.com"],
    "me": "mx1.example.com",
}
NOTHING = "# Nothing is kept.\n"

WRITTEN = {
    "a trap": (
        (["Win.a-prize@example.com"], [], []),
        "win.a-prize@example.com: trap-win.a_2dprize_40example.com\n",
        [".courier-trap-win:a_2dprize_40example:com"],
    ),
    "a refused trap": (
        ([], ["never@example.com"], []),
        "never@example.com: refused-never_40example.com\n",
        [".courier-refused-never_40example:com"],
    ),
    "a sink": (
        ([], [], ["noreply@example.com"]),
        "noreply@example.com: sink-noreply_40example.com\n",
        [".courier-sink-noreply_40example:com"],
    ),
    "a domain, whose mailboxes keep their mail": (
        ([], [], ["@old.example.com"]),
        "@old.example.com: sink-old.example.com\n"
        "# Or a catch-all would get the mail of these mailboxes.\n"
        "bob@old.example.com: bob@old.example.com\n",
        [".courier-sink-old:example:com-default"],
    ),
}


@pytest.mark.parametrize(("given", "text", "files"), WRITTEN.values(), ids=WRITTEN)
def test_writes_what_courier_needs(given, text, files):
    aliases = traps(*given)
    assert render(aliases, **SITE) == text
    assert aliasdir(aliases) == dict.fromkeys(files, NOTHING)
    assert all(name.startswith(ALIASDIR_PREFIXES) for name in files)


def test_the_filter_knows_a_trap_again():
    ((alias,),) = [traps(["Win.a-prize@example.com"], [], [])]
    (target,) = parse(render([alias], **SITE))[0].targets
    assert stands_for("trap", f"{target}@mx1.example.com", "win.a-prize@EXAMPLE.com")
    assert not stands_for("trap", f"{target}@mx1.example.com", "win.a.prize@example.com")
    assert not stands_for("refused", f"{target}@mx1.example.com", "win.a-prize@example.com")


def test_bofh_knows_a_refused_trap_again():
    (target,) = parse(render(traps([], ["never@example.com"], []), **SITE))[0].targets
    (name,) = refused_names(["never@example.com"], "mx1.example.com")
    assert name == f"{target}@mx1.example.com"
    assert bofh.render([f"spamtrap {name}"])


ALIAS = Alias("info@example.com", ("alice@example.com",))
REFUSED = {
    "an account": (
        (["alice@example.com"], [], []),
        "the trap alice@example.com is an account; keep one of them",
    ),
    "an account among the refused": (
        ([], ["Alice@example.com"], []),
        "the refused trap Alice@example.com is an account; keep one of them",
    ),
    "an account among the sinks": (
        ([], [], ["alice@example.com"]),
        "the sink alice@example.com is an account; keep one of them",
    ),
    "an alias": (
        (["info@example.com"], [], []),
        "the trap info@example.com is an alias; keep one of them",
    ),
    "a trap and a sink": (
        (["t@example.com"], [], ["t@example.com"]),
        "the sink t@example.com is the trap, too; keep one of them",
    ),
    "a trap twice": (
        (["t@example.com", "T@example.com"], [], []),
        "the trap T@example.com is the trap, too; keep one of them",
    ),
    "a trap in somebody else's domain": (
        (["t@example.net"], [], []),
        "the trap t@example.net is in a domain whose mail is not accepted here; "
        "add the domain to mail_domains or drop it",
    ),
    "a sink for somebody else's domain": (
        ([], [], ["@example.net"]),
        "the sink @example.net is in a domain whose mail is not accepted here; "
        "add the domain to mail_domains or drop it",
    ),
    "a domain of traps": (
        (["@example.com"], [], []),
        "the trap '@example.com' is no address; write user@example.com",
    ),
    "a bare name": (
        ([], [], ["noreply"]),
        "the sink 'noreply' is no address; write user@example.com, or @example.com for all of a domain",
    ),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(AliasError) as refusal:
        render([ALIAS, *traps(*given)], **SITE)
    assert str(refusal.value) == sentence
