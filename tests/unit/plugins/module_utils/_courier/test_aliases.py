from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.aliases import ALIASDIR_PREFIXES, Alias, AliasError, aliasdir, parse, render

SITE = {
    "domains": ["example.com", "example.org", "bücher.example", ".lan.example"],
    "local": ["localhost", "mx1.example.com", ".hosts.example.com", "!not.hosts.example.com"],
    "accounts": [
        "alice@example.com",
        "bob@example.com",
        "carol@example.org",
        "op@mx1.example.com",
        "dave@.lan.example",
    ],
    "me": "mx1.example.com",
}


def site(**changes):
    return {**SITE, **changes}


# What is written is what is read.
LINES = {
    "an address": ("info@example.com: bob@example.com\n", [Alias("info@example.com", ("bob@example.com",))]),
    "a bare name": ("root: postmaster\n", [Alias("root", ("postmaster",))]),
    "a local domain": ("root@mx1.example.com: op\n", [Alias("root@mx1.example.com", ("op",))]),
    "several targets": (
        "info@example.com: alice@example.com, bob@example.com, Someone@Elsewhere.example\n",
        [Alias("info@example.com", ("alice@example.com", "bob@example.com", "Someone@Elsewhere.example"))],
    ),
    "a long list": (
        "info@example.com: " + ",\n    ".join(f"member{number}@elsewhere.example" for number in range(4)) + "\n",
        [Alias("info@example.com", tuple(f"member{number}@elsewhere.example" for number in range(4)))],
    ),
    "a chain": (
        "root: postmaster\npostmaster: hostmaster@example.com\nhostmaster@example.com: bob@example.com\n",
        [
            Alias("root", ("postmaster",)),
            Alias("postmaster", ("hostmaster@example.com",)),
            Alias("hostmaster@example.com", ("bob@example.com",)),
        ],
    ),
    "a mailbox and a copy": (
        "bob@example.com: bob@example.com, carol@example.org\n",
        [Alias("bob@example.com", ("bob@example.com", "carol@example.org"))],
    ),
    "a file in somebody's home": (
        "news@example.com: bob-news@example.com\n",
        [Alias("news@example.com", ("bob-news@example.com",))],
    ),
    "Unicode": (
        "post@bücher.example: bob@example.com\n",
        [Alias("post@bücher.example", ("bob@example.com",))],
    ),
    "below a wildcard": (
        "info@pc1.lan.example: dave@pc2.lan.example\n",
        [Alias("info@pc1.lan.example", ("dave@pc2.lan.example",))],
    ),
    "nothing": ("", []),
}

OWN_MAIL = "# Or a catch-all would get the mail of these mailboxes.\n"

WRITTEN = {
    "names and our own addresses in lower case": (
        [Alias("MAILER-DAEMON", ("Postmaster@MX1.Example.COM",)), Alias("Info@Example.COM", ("Bob@example.com",))],
        "mailer-daemon: postmaster@mx1.example.com\ninfo@example.com: bob@example.com\n",
        {},
    ),
    "A-labels become Unicode": (
        [Alias("post@xn--bcher-kva.example", ("bob@example.com",))],
        "post@bücher.example: bob@example.com\n",
        {},
    ),
    "a catch-all leaves mailboxes alone": (
        [
            Alias("info@example.com", ("bob@example.com",)),
            Alias("@Example.com", ("bob@example.com", "x@remote.example")),
        ],
        "info@example.com: bob@example.com\n"
        "@example.com: catchall-example.com\n"
        f"{OWN_MAIL}"
        "alice@example.com: alice@example.com\n"
        "bob@example.com: bob@example.com\n",
        {".courier-catchall-example:com-default": "&bob@example.com\n&x@remote.example\n"},
    ),
    "what nobody has in the local domains": (
        [Alias("@", ("bob@example.com", "x@remote.example")), Alias("root", ("bob@example.com",))],
        "root: bob@example.com\n",
        {".courier-default": "&bob@example.com\n&x@remote.example\n"},
    ),
    "a mailbox with an alias is alone already": (
        [Alias("carol@example.org", ("carol@example.org", "bob@example.com")), Alias("@example.org", ("op",))],
        "carol@example.org: carol@example.org, bob@example.com\n@example.org: op\n",
        {},
    ),
    "mailboxes below a wildcard": (
        [Alias("@pc1.lan.example", ("dave@pc1.lan.example",))],
        f"@pc1.lan.example: catchall-pc1.lan.example\n{OWN_MAIL}dave@pc1.lan.example: dave@pc1.lan.example\n",
        {".courier-catchall-pc1:lan:example-default": "&dave@pc1.lan.example\n"},
    ),
    "from one catch-all to another": (
        [Alias("@example.org", ("whatever@example.com",)), Alias("@example.com", ("bob@example.com",))],
        "@example.org: catchall-example.org\n"
        "@example.com: catchall-example.com\n"
        f"{OWN_MAIL}"
        "carol@example.org: carol@example.org\n"
        "alice@example.com: alice@example.com\n"
        "bob@example.com: bob@example.com\n",
        {
            ".courier-catchall-example:org-default": "&whatever@example.com\n",
            ".courier-catchall-example:com-default": "&bob@example.com\n",
        },
    ),
    "no hyphen but one in the name of a catch-all": (
        [Alias("@a-b.lan.example", ("bob@example.com",)), Alias("@a.b.lan.example", ("bob@example.com",))],
        "@a-b.lan.example: catchall-a_2db.lan.example\n"
        "@a.b.lan.example: catchall-a.b.lan.example\n"
        f"{OWN_MAIL}"
        "dave@a-b.lan.example: dave@a-b.lan.example\n"
        "dave@a.b.lan.example: dave@a.b.lan.example\n",
        {
            ".courier-catchall-a_2db:lan:example-default": "&bob@example.com\n",
            ".courier-catchall-a:b:lan:example-default": "&bob@example.com\n",
        },
    ),
    "a program": (
        [
            Alias("spam-trap@example.com", ("|/usr/bin/spamc -L spam # learns",)),
            Alias("list", ("spam-trap@example.com",)),
        ],
        "spam-trap@example.com: program-spam_2dtrap_40example.com\nlist: spam-trap@example.com\n",
        {".courier-program-spam_2dtrap_40example:com": "|/usr/bin/spamc -L spam # learns\n"},
    ),
    "a mailbox of Courier's own": (
        [Alias("archive", ("/srv/archive/Maildir",))],
        "archive: program-archive\n",
        {".courier-program-archive": "/srv/archive/Maildir\n"},
    ),
}

READ = {
    "what Debian ships": (
        "# Forward root\n\nroot: postmaster\n\nmailer-daemon: postmaster\n\nMAILER-DAEMON: postmaster\n\n"
        "# all postmaster mail will be bitbucketed.\n\npostmaster:\n\n",
        [
            Alias("root", ("postmaster",)),
            Alias("mailer-daemon", ("postmaster",)),
            Alias("postmaster", ()),
        ],
    ),
    "continued lines": ("a: b,\n  c,\n\td\ne: f\n", [Alias("a", ("b", "c", "d")), Alias("e", ("f",))]),
    "comments in continued lines": ("a: b, # why\n   c # and\n", [Alias("a", ("b", "c"))]),
    "a comment ends an entry": ("a: b,\n# why\n c: d\n", [Alias("a", ("b",)), Alias("c", ("d",))]),
    "an empty line ends an entry": ("a: b,\n \t\n c: d\n", [Alias("a", ("b",)), Alias("c", ("d",))]),
    "a name twice": ("a: b, c\nA: c, d\n", [Alias("a", ("b", "c", "d"))]),
    "the first colon ends the name": ("a:b:c\n", [Alias("a", ("b:c",))]),
    "a program": ("a: |/bin/x, -y\n  z\n", [Alias("a", ("|/bin/x, -y  z",))]),
    "a path": ("a: /srv/x\n", [Alias("a", ("/srv/x",))]),
    "a list in a file": ("a: :include:/etc/list\n", [Alias("a", (":include:/etc/list",))]),
    "names and comments in addresses": (
        'a: "B, b" <b@example.com>, c (C) , D <d>,,\n',
        [Alias("a", ("b@example.com", "c", "d"))],
    ),
    "no newline at the end": ("a: b\nc: d,\n e", [Alias("a", ("b",)), Alias("c", ("d",))]),
}

REFUSED = {
    "no target": (
        [Alias("postmaster", ())],
        "postmaster has no target, which is no alias to Courier, and its mail comes back as undeliverable; "
        "write the address of a person, or '|cat >/dev/null' to throw it away on purpose",
    ),
    "a name twice": (
        [Alias("info@example.com", ("bob@example.com",)), Alias("INFO@Example.COM", ("alice@example.com",))],
        "info@example.com and INFO@Example.COM are one name to Courier; write one alias with all targets",
    ),
    "a name in two local domains": (
        [Alias("info@localhost", ("op",)), Alias("info@www.hosts.example.com", ("op",))],
        "info@localhost and info@www.hosts.example.com are one name to Courier; write one alias with all targets",
    ),
    "a bare name in a local domain": (
        [Alias("info", ("op",)), Alias("info@mx1.example.com", ("op",))],
        "info and info@mx1.example.com are one name to Courier; write one alias with all targets",
    ),
    "a whole domain twice": (
        [Alias("@example.com", ("op",)), Alias("@EXAMPLE.com", ("op",))],
        "@example.com and @EXAMPLE.com are one name to Courier; write one alias with all targets",
    ),
    "instead of an account": (
        [Alias("bob@example.com", ("alice@example.com",))],
        "bob@example.com is an account, which gets nothing once there is such an alias; "
        "put bob@example.com among the targets too, or remove the account",
    ),
    "instead of a bare account": (
        [Alias("op", ("alice@example.com",))],
        "op is an account, which gets nothing once there is such an alias; "
        "put op among the targets too, or remove the account",
    ),
    "a foreign domain": (
        [Alias("info@elsewhere.example", ("bob@example.com",))],
        "info@elsewhere.example is in a domain that is neither hosted nor local; add the domain or drop the alias",
    ),
    "an exception of a local wildcard": (
        [Alias("info@not.hosts.example.com", ("bob@example.com",))],
        "info@not.hosts.example.com is in a domain that is neither hosted nor local; add the domain or drop the alias",
    ),
    "a whole foreign domain": (
        [Alias("@elsewhere.example", ("op",))],
        "@elsewhere.example is in a domain that is neither hosted nor local; add the domain or drop the alias",
    ),
    "a wildcard": (
        [Alias("info@.lan.example", ("op",))],
        "info@.lan.example never matches, because Courier looks up the domain itself; write one alias for each",
    ),
    "a whole local domain": (
        [Alias("@mx1.example.com", ("op",))],
        "@mx1.example.com: the domain is local and shares its names with the others that are; "
        "write @ for a catch-all of all of them",
    ),
    "what is local for a name that is": (
        [Alias("@", ("op",))],
        "@ catches what is local already; write addresses with a domain for its targets",
    ),
    "what is local for an address that is": (
        [Alias("@", ("nobody@mx1.example.com",))],
        "the aliases @ -> @ never arrive; let one of them go to a mailbox",
    ),
    "a whole domain for two bare names": (
        [Alias("@example.com", ("op", "bob@example.com"))],
        "@example.com is a catch-all; write addresses with a domain for its targets, "
        "or one bare name, of which Courier makes NAME-LOCALPART@mx1.example.com",
    ),
    "a whole domain for a program": (
        [Alias("@example.com", ("|/bin/true",))],
        "@example.com is a catch-all; write addresses with a domain for its targets, "
        "or one bare name, of which Courier makes NAME-LOCALPART@mx1.example.com",
    ),
    "a target that nobody has": (
        [Alias("info@example.com", ("bbo@example.com",))],
        "info@example.com goes to bbo@example.com, which is neither an account nor an alias",
    ),
    "itself, without a mailbox": (
        [Alias("info@example.com", ("info@example.com",))],
        "info@example.com goes to info@example.com, which is neither an account nor an alias",
    ),
    "a target that a catch-all seems to catch": (
        [Alias("info@example.org", ("bbo@example.com",)), Alias("@example.com", ("op",))],
        "info@example.org goes to bbo@example.com, which is neither an account nor an alias "
        "(Courier does not ask @example.com for the target of an alias)",
    ),
    "a loop": (
        [
            Alias("root", ("a@example.com",)),
            Alias("a@example.com", ("bob@example.com", "b@example.com")),
            Alias("b@example.com", ("c@example.com",)),
            Alias("c@example.com", ("a@example.com",)),
        ],
        "the aliases a@example.com -> b@example.com -> c@example.com -> a@example.com never arrive; "
        "let one of them go to a mailbox",
    ),
    "a loop through local domains": (
        [Alias("root", ("postmaster@localhost",)), Alias("postmaster", ("root@mx1.example.com",))],
        "the aliases root -> postmaster -> root never arrive; let one of them go to a mailbox",
    ),
    "a catch-all to itself": (
        [Alias("@example.com", ("nobody@example.com",))],
        "the aliases @example.com -> @example.com never arrive; let one of them go to a mailbox",
    ),
    "catch-alls to each other": (
        [Alias("@example.com", ("x@example.org",)), Alias("@example.org", ("y@example.com",))],
        "the aliases @example.com -> @example.org -> @example.com never arrive; let one of them go to a mailbox",
    ),
    "a program among addresses": (
        [Alias("info@example.com", ("bob@example.com", "|/bin/x"))],
        "info@example.com: '|/bin/x' must be the only target; put it into an alias of its own, "
        "and the name of that among these targets",
    ),
    "a program of two lines": (
        [Alias("info@example.com", ("|/bin/x\n&y@example.com",))],
        "info@example.com: '|/bin/x\\n&y@example.com' does not end with its line; "
        "put the command into a script and name that",
    ),
    "a program that goes on": (
        [Alias("info@example.com", ("|/bin/x \\",))],
        "info@example.com: '|/bin/x \\\\' does not end with its line; put the command into a script and name that",
    ),
    "a list in a file": (
        [Alias("info@example.com", (":include:/etc/list",))],
        "info@example.com: ':include:/etc/list' is not an address; "
        'write user@example.com or a bare name, without blanks and any of "#(),:;<>[\\]',
    ),
    "a list in a target": (
        [Alias("info@example.com", ("alice@example.com, bob@example.com",))],
        "info@example.com: 'alice@example.com, bob@example.com' is not an address; "
        'write user@example.com or a bare name, without blanks and any of "#(),:;<>[\\]',
    ),
    "a name with a comment": (
        [Alias("in#fo@example.com", ("bob@example.com",))],
        "'in#fo@example.com' is not an address; "
        'write user@example.com or a bare name, without blanks and any of "#(),:;<>[\\]',
    ),
    "a domain with a blank": (
        [Alias("info@example.com", ("bob@example.com ",))],
        "info@example.com: 'example.com ' is empty or holds a blank, and Courier does not trim names",
    ),
}


@pytest.mark.parametrize(("text", "aliases"), LINES.values(), ids=LINES)
def test_text_and_aliases_say_the_same(text, aliases):
    assert render(aliases, **SITE) == text
    assert parse(text) == aliases
    assert aliasdir(aliases) == {}


@pytest.mark.parametrize(("aliases", "text", "files"), WRITTEN.values(), ids=WRITTEN)
def test_writes_what_courier_needs(aliases, text, files):
    assert render(aliases, **SITE) == text
    assert aliasdir(aliases) == files
    assert all(name.startswith(ALIASDIR_PREFIXES) for name in files)


@pytest.mark.parametrize(("text", "aliases"), READ.values(), ids=READ)
def test_reads_what_courier_reads(text, aliases):
    assert parse(text) == aliases


@pytest.mark.parametrize(("aliases", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_loses_mail(aliases, sentence):
    with pytest.raises(AliasError) as refusal:
        render(aliases, **SITE)
    assert str(refusal.value) == sentence


def test_a_catch_all_needs_me_among_the_local_domains():
    with pytest.raises(AliasError) as refusal:
        render([Alias("@example.com", ("op",))], **site(local=["localhost"]))
    assert str(refusal.value) == (
        "@example.com needs mx1.example.com, the name in me, among the local domains, "
        "because Courier sends the mail of a whole domain to a name in there"
    )


@pytest.mark.parametrize("text", ["a: b\n\nc d\n", "a: b\n\n: d\n"])
def test_says_which_line_is_no_alias(text):
    with pytest.raises(AliasError) as refusal:
        parse(text)
    assert str(refusal.value) == (
        f"line 3: {text.splitlines()[2]!r} is no alias; write a name, a colon and the targets"
    )


USER = st.from_regex(r"[a-z0-9!$%&'*=?^_`{}~+-]+(\.[a-z0-9-]+)?", fullmatch=True)
NAME = USER | st.builds("{}@{}".format, USER, st.sampled_from(["example.com", "mx1.example.com", "pc1.lan.example"]))
MAILBOX = st.sampled_from(["alice@example.com", "bob@example.com", "op"])
ELSEWHERE = st.builds("{}@elsewhere.example".format, USER.map(str.title))
TARGETS = st.lists(MAILBOX | ELSEWHERE, min_size=1, unique=True).map(tuple)
ALIASES = st.lists(
    st.builds(Alias, NAME.filter(lambda name: name not in SITE["accounts"]), TARGETS, st.none(), st.just(())),
    unique_by=lambda alias: alias.name.removesuffix("@mx1.example.com"),
)


@given(ALIASES)
def test_nothing_is_lost_on_the_way_to_text_and_back(aliases):
    assert parse(render(aliases, **site(accounts=["alice@example.com", "bob@example.com"]))) == aliases


@given(st.lists(st.from_regex(r"[a-z_\x2d.+=]+", fullmatch=True), min_size=2, unique=True))
def test_no_two_programs_share_a_file(users):
    assert len(aliasdir(Alias(f"{user}@example.com", ("|/bin/x",)) for user in users)) == len(users)


def test_long_chains_are_followed_to_their_ends():
    chain = [Alias(f"a{number}", (f"a{number + 1}",)) for number in range(20_000)]
    render(chain, **SITE)
    with pytest.raises(AliasError):
        render([*chain, Alias("a20000", ("a0",))], **SITE)
