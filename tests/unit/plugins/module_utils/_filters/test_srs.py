"""Senders of ours for mail that is passed on, and what comes back to them."""

from __future__ import annotations

import re
import time

import pytest

from plugins.module_utils._filters import srs
from plugins.module_utils._filters._srs import NoSrs, Rewriter
from plugins.module_utils._filters._verdict import Down

DOMAIN = "mx1.example.com"
OURS = f"SRS0-AAAA=BB=example.net=bob@{DOMAIN}"


@pytest.fixture
def rewriter():
    return Rewriter(["a long secret of ours"], DOMAIN, 21)


# By Mail::SRS 0.31 (Debian's srs), at a time and with the secret "a-long-secret-of-ours".
AT = 1795655331
OTHERS = {
    "bob@example.net": "SRS0-7zdG=JP=example.net=bob",
    "Bob.Example+x@example.net": "SRS0-5s/q=JP=example.net=Bob.Example+x",
    "bob-lists=x@example.net": "SRS0-VAID=JP=example.net=bob-lists=x",
    "SRS0=HHHH=TT=example.net=bob@forwarder.example.org": "SRS1-YZQm=forwarder.example.org==HHHH=TT=example.net=bob",
    "SRS1=HHHH=a.example.org=-HHHH=TT=example.net=Bob@b.example.org": (
        "SRS1-bqwk=a.example.org=-HHHH=TT=example.net=Bob"
    ),
}


@pytest.mark.parametrize("sender", OTHERS)
def test_is_what_other_programs_make(monkeypatch, sender):
    monkeypatch.setattr(time, "time", lambda: AT)
    assert Rewriter(["a-long-secret-of-ours"], DOMAIN, 21).forward(sender) == f"{OTHERS[sender]}@{DOMAIN}"


class TestRewriter:
    def test_makes_addresses_that_courier_finds_a_file_for(self, rewriter):
        assert re.fullmatch(
            r"SRS0-[A-Za-z0-9+/]{4}=[A-Z2-7]{2}=example\.net=Bob@mx1\.example\.com", rewriter.forward("Bob@example.net")
        )

    @pytest.mark.parametrize(
        "sender",
        [
            "Bob@example.net",
            "bob-lists+x=y@example.net",
            "bøb@exämple.net",
            "-bs@example.net",
            f"bob@{DOMAIN}",
            '"bob.x"@example.net',
        ],
    )
    def test_knows_them_again(self, rewriter, sender):
        assert rewriter.reverse(rewriter.forward(sender)) == sender

    def test_nobody_stays_nobody(self, rewriter):
        assert rewriter.forward("") == ""

    def test_a_hash_in_lower_case_is_known(self, rewriter):
        assert rewriter.reverse(rewriter.forward("Bob@example.net").lower()) == "bob@example.net"

    def test_what_somebody_else_made_goes_back_to_him(self, rewriter):
        theirs = "SRS0=HHHH=TT=example.net=bob@forwarder.example.org"
        made = rewriter.forward(theirs)
        assert re.fullmatch(r"SRS1-.{4}=forwarder\.example\.org==HHHH=TT=example\.net=bob@mx1\.example\.com", made)
        assert rewriter.reverse(made) == theirs

    def test_a_forward_of_that_goes_back_to_the_first_forwarder(self, rewriter):
        other = Rewriter(["a long secret of others"], "mx.example.org", 21)
        made = other.forward(rewriter.forward(other.forward("bob@example.net")))
        assert re.match("SRS1-.{4}=mx.example.org=-", made)
        assert other.reverse(other.reverse(made)) == "bob@example.net"

    @pytest.mark.parametrize("place", range(5, 9))
    def test_forged_is_refused(self, rewriter, place):
        made = rewriter.forward("bob@example.net")
        letter = "a" if made[place] not in "aA" else "b"
        with pytest.raises(NoSrs, match="was not made here"):
            rewriter.reverse(made[:place] + letter + made[place + 1 :])

    def test_another_name_is_refused(self, rewriter):
        with pytest.raises(NoSrs, match="was not made here"):
            rewriter.reverse(rewriter.forward("bob@example.net").replace("=bob@", "=eve@"))

    @pytest.mark.parametrize(("days", "known"), [(20, True), (23, False), (-2, False)])
    def test_lives_for_some_days(self, rewriter, monkeypatch, days, known):
        made = rewriter.forward("bob@example.net")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + days * 86400)
        if known:
            assert rewriter.reverse(made) == "bob@example.net"
        else:
            with pytest.raises(NoSrs, match="is too old"):
                rewriter.reverse(made)

    def test_old_secrets_still_read(self, rewriter):
        later = Rewriter(["a newer secret of ours", "a long secret of ours"], DOMAIN, 21)
        assert later.reverse(rewriter.forward("bob@example.net")) == "bob@example.net"
        with pytest.raises(NoSrs):
            rewriter.reverse(later.forward("bob@example.net"))

    @pytest.mark.parametrize("address", ["bob@mx1.example.com", "SRS0-@x", "SRS0-a@x", "SRS1-a=b@x", "srs-bob@x", "x"])
    def test_what_is_no_address_of_ours_is_refused(self, rewriter, address):
        with pytest.raises(NoSrs):
            rewriter.reverse(address)

    @pytest.mark.parametrize("sender", ["bob", "bob@", "b b@example.net", "SRS1-x@example.net", "b\n@example.net"])
    def test_what_cannot_be_a_sender_is_refused(self, rewriter, sender):
        with pytest.raises(NoSrs, match="is no sender"):
            rewriter.forward(sender)

    def test_is_known_behind_the_name_of_a_whole_domain(self, rewriter):
        assert rewriter.reverse(f"srs-{rewriter.forward('bob@example.net')}") == "bob@example.net"


class TestFilter:
    @pytest.fixture
    def check(self, daemon):
        one = srs.Filter(srs.Settings(domains=[DOMAIN], socket=daemon.path, timeout=5))
        daemon.answer = b"0 bob@example.net\n"
        return one.check

    def test_lets_a_bounce_in_that_is_ours(self, check, letter, daemon):
        message = letter(to=(OURS,), sender="")
        assert check(message).action == "pass"
        assert daemon.heard == f"reverse\0{OURS}\n".encode()

    @pytest.mark.parametrize(
        "address",
        ["alice@example.com", "srs0-x=y=z=a@example.com", "SRS0=x=y=z=a@elsewhere.example", f"srsx@{DOMAIN}"],
    )
    def test_asks_about_nothing_else(self, check, letter, daemon, address):
        assert check(letter(to=(address,))).action == "pass"
        assert not daemon.asked

    def test_refuses_what_is_forged(self, check, letter, daemon):
        daemon.answer = b"67 was not made here\n"
        verdict = check(letter(to=(OURS,), sender=""))
        assert (verdict.action, verdict.reply) == ("refuse", f"550 5.7.1 {OURS} was not made here")

    def test_refuses_what_has_a_sender_without_asking(self, check, letter, daemon):
        verdict = check(letter(to=(OURS.lower(),)))
        assert verdict.action == "refuse"
        assert "takes only reports" in verdict.reply
        assert not daemon.asked

    def test_drops_it_where_somebody_else_gets_the_message(self, check, letter, daemon):
        daemon.answer = b"67 was not made here\n"
        message = letter(to=("alice@example.com", OURS), sender="")
        assert check(message).action == "pass"
        assert [one.address for one in message.recipients] == ["alice@example.com"]

    def test_refuses_anybody_else_in_a_domain_of_its_own(self, check, letter, daemon):
        daemon.answer = b"67 is no address of a rewritten sender\n"
        assert check(letter(to=(f"srs-bob@{DOMAIN}",), sender="")).action == "refuse"

    @pytest.mark.parametrize("answer", [b"", b"75 the secret is missing\n", b"77 user 1 may not ask\n", b"hello\n"])
    def test_is_down_where_the_service_cannot_say(self, check, letter, daemon, answer):
        daemon.answer = answer
        with pytest.raises(Down):
            check(letter(to=(OURS,), sender=""))
