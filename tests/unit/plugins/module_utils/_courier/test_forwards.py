"""Mail that goes elsewhere: by which lines, and that it arrives."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.aliases import ALIASDIR_PREFIXES, Alias, AliasError, aliasdir, forwarded, render, srs
from plugins.module_utils._courier.forwards import (
    Forward,
    ForwardError,
    Inside,
    instructions,
    line,
    refuse_loops,
    targets,
)

PROGRAM = "/opt/forward"
SITE = {
    "domains": ["example.com", "srs.example.com"],
    "local": ["localhost", "mx1.example.com"],
    "accounts": ["alice@example.com"],
    "me": "mx1.example.com",
}
INSIDE = ["mx2.example.com"]
BACK = dict.fromkeys(
    [f".courier-{tag}-default" for tag in ("SRS0", "SRS1", "srs0", "srs1", "srs")], f"| {PROGRAM} --back\n"
)

WRITTEN = {
    "elsewhere only": (
        Alias("Left@example.com", ("Left@example.net",)),
        "left@example.com: forward-left_40example.com\n",
        {".courier-forward-left_40example:com": f"| {PROGRAM} left@example.com Left@example.net\n"},
    ),
    "here and elsewhere": (
        Alias("all@example.com", ("alice@example.com", "a@example.net", "b@example.org")),
        "all@example.com: alice@example.com, forward-all_40example.com\n",
        {".courier-forward-all_40example:com": f"| {PROGRAM} all@example.com a@example.net b@example.org\n"},
    ),
    "a bare name": (
        Alias("root", ("op@example.net",)),
        "root: forward-root\n",
        {".courier-forward-root": f"| {PROGRAM} root@mx1.example.com op@example.net\n"},
    ),
    "ours on another host": (Alias("root", ("root@mx2.example.com",)), "root: root@mx2.example.com\n", {}),
    "what a shell would take for something else": (
        Alias("a@example.com", ("b'$x&|`y`@example.net",)),
        "a@example.com: forward-a_40example.com\n",
        {".courier-forward-a_40example:com": (f"| {PROGRAM} a@example.com 'b'\"'\"'$x&|`y`@example.net'\n")},
    ),
    "a program": (
        Alias("p@example.com", ("|cat",)),
        "p@example.com: program-p_40example.com\n",
        {".courier-program-p_40example:com": "|cat\n"},
    ),
    "all of the local names": (
        Alias("@", ("op@example.net", "alice@example.com")),
        "",
        {".courier-default": f"| {PROGRAM} @mx1.example.com op@example.net\n&alice@example.com\n"},
    ),
}


@pytest.mark.parametrize(("alias", "text", "files"), WRITTEN.values(), ids=WRITTEN)
def test_an_alias_says(alias, text, files):
    found = forwarded([alias], domains=SITE["domains"], local=SITE["local"], inside=INSIDE)
    assert render(found, **SITE) == text
    assert aliasdir(found, SITE["me"], PROGRAM) == BACK | files
    assert all(name.startswith(ALIASDIR_PREFIXES) for name in files)


def test_a_domain_goes_elsewhere_but_for_its_mailboxes():
    found = forwarded([Alias("@example.com", ("op@example.net",))], domains=["example.com"], local=[], inside=[])
    assert render(found, **SITE).splitlines()[::2] == [
        "@example.com: catchall-example.com",
        "alice@example.com: alice@example.com",
    ]
    assert aliasdir(found, SITE["me"], PROGRAM)[".courier-catchall-example:com-default"] == (
        f"| {PROGRAM} @example.com op@example.net\n"
    )


def test_what_is_no_address_is_refused_as_without_forwarding():
    found = forwarded([Alias("a@example.com", ("b c@example.net",))], domains=["example.com"], local=[], inside=[])
    with pytest.raises(AliasError, match=r"'b c@example\.net' is not an address"):
        render(found, **SITE)


def test_an_account_keeps_its_mail_only_if_it_says_so():
    found = forwarded([Alias("alice@example.com", ("a@example.net",))], domains=["example.com"], local=[], inside=[])
    with pytest.raises(AliasError, match="which gets nothing"):
        render(found, **SITE)


class TestSrsDomain:
    def test_local_needs_no_alias(self):
        assert srs("mx1.example.com", **SITE) == []

    def test_hosted_gets_one(self):
        aliases = srs("SRS.example.com", **SITE)
        assert render(aliases, **SITE).startswith("@srs.example.com: srs\n")

    @pytest.mark.parametrize(
        ("domain", "sentence"),
        [
            ("example.net", "the SRS domain example.net is not accepted here, and bounces would not come back"),
            ("example.com", "the SRS domain example.com has mailboxes; write mx1.example.com"),
        ],
    )
    def test_refused_is(self, domain, sentence):
        with pytest.raises(AliasError) as refusal:
            srs(domain, **SITE)
        assert str(refusal.value).startswith(sentence)


LINES = {
    "a copy, first, because all is tried again": (
        ["./Maildir", "&a@example.net"],
        [f"| {PROGRAM} alice@example.com a@example.net", "./Maildir"],
    ),
    "several": (["! a@example.net, b@example.org"], [f"| {PROGRAM} alice@example.com a@example.net b@example.org"]),
    "without a mark": (["a@example.net"], [f"| {PROGRAM} alice@example.com a@example.net"]),
    "some of them ours": (
        ["!bob@example.com,a@example.net"],
        [f"| {PROGRAM} alice@example.com a@example.net", "!bob@example.com"],
    ),
    "ours": (["&bob@example.com", "&carol", "&d@sub.mx1.example.com"], None),
    "something else": (["|cat a@example.net", "||echo &a@example.net", "/var/mail/x", "./Maildir/.x/"], None),
}


@pytest.mark.parametrize(("lines", "found"), LINES.values(), ids=LINES)
def test_an_account_says(lines, found):
    ours = Inside(["example.com", "mx1.example.com", ".mx1.example.com"])
    assert list(instructions(lines, "alice@example.com", PROGRAM, ours)) == (lines if found is None else found)


@pytest.mark.parametrize(("number", "length"), [(101, 1), (100, 80)], ids=["too many", "too long"])
def test_what_courier_would_not_take_in_one_message_or_line_is_refused(number, length):
    with pytest.raises(ForwardError, match=rf"all@example\.com goes to {number} addresses elsewhere, and 100 are"):
        line(PROGRAM, "all@example.com", [f"{'x' * length}{index}@example.net" for index in range(number)])


def test_a_hundred_are_not_too_many():
    assert line(PROGRAM, "all@example.com", [f"x{index}@example.net" for index in range(100)])


def test_finds_whom_lines_pass_mail_on_to():
    assert targets(["./Maildir", "& a@example.net , b", "|c@example.net", "d@example.net"]) == [
        "a@example.net",
        "b",
        "d@example.net",
    ]


LOOPS = {
    "to itself": ([Forward("a@x.test", ["A@x.test"], True)], "a@x.test -> a@x.test"),
    "over two hosts": (
        [Forward("a@x.test", ["b@y.test"]), Forward("b@y.test", ["c@y.test"]), Forward("c@y.test", ["a@x.test"])],
        "a@x.test -> b@y.test -> c@y.test -> a@x.test",
    ),
    "between an alias and an account": (
        [Forward("a@x.test", ["b@x.test"]), Forward("b@x.test", ["a@x.test"], True)],
        "a@x.test -> b@x.test -> a@x.test",
    ),
    "by a domain": (
        [Forward("@x.test", ["b@y.test"]), Forward("b@y.test", ["any@x.test"])],
        "@x.test -> b@y.test -> @x.test",
    ),
}
ARRIVES = {
    "an alias of an account to itself": [Forward("a@x.test", ["a@x.test", "b@y.test"])],
    "the account that an alias leads to": [
        Forward("a@x.test", ["a@x.test"]),
        Forward("a@x.test", ["b@y.test"], True),
    ],
    "one address over two": [
        Forward("a@x.test", ["b@x.test", "c@x.test"]),
        Forward("b@x.test", ["d@x.test"]),
        Forward("c@x.test", ["d@x.test"]),
    ],
    "a domain, and a name of it": [Forward("@x.test", ["b@x.test"]), Forward("b@x.test", ["c@y.test"])],
}


@pytest.mark.parametrize(("given", "chain"), LOOPS.values(), ids=LOOPS)
def test_a_circle_is_refused(given, chain):
    with pytest.raises(ForwardError) as refusal:
        refuse_loops(given)
    assert str(refusal.value) == f"the forwards {chain} never arrive; let one of them go to a mailbox"


@pytest.mark.parametrize("given", ARRIVES.values(), ids=ARRIVES)
def test_what_arrives_is_not(given):
    refuse_loops(given)
