from __future__ import annotations

import pytest

from plugins.module_utils._spamassassin import Pattern, Rule, SpamassassinError, objections, patterns, render

BODY = Rule("OUR_WATCHES", "body", "/cheap watches/i")

WRITTEN = {
    "nothing": ({}, [], {}, []),
    "a setting": ({"required_score": 5.5}, [], {}, ["required_score 5.5"]),
    "a switch": ({"use_bayes": True, "bayes_auto_learn": False}, [], {}, ["use_bayes 1", "bayes_auto_learn 0"]),
    "a list": (
        {"trusted_networks": ["192.0.2.0/24", "2001:db8::/32"]},
        [],
        {},
        ["trusted_networks 192.0.2.0/24", "trusted_networks 2001:db8::/32"],
    ),
    "a rule": ({}, [BODY], {}, ["body OUR_WATCHES /cheap watches/i"]),
    "a rule with all": (
        {},
        [Rule("OUR_SHOP", "header", r"Subject =~ /shop \#1/", 2.5, "Wants to sell")],
        {},
        [r"header OUR_SHOP Subject =~ /shop \#1/", "score OUR_SHOP 2.5", "describe OUR_SHOP Wants to sell"],
    ),
    "a rule that costs nothing": (
        {},
        [BODY._replace(score=0)],
        {},
        ["body OUR_WATCHES /cheap watches/i", "score OUR_WATCHES 0"],
    ),
    "a part of a rule, and the rule": (
        {},
        [Rule("__A", "uri", "m{^http://}"), Rule("B", "meta", "__A && !OUR_SHOP", -1.0)],
        {},
        ["uri __A m{^http://}", "meta B __A && !OUR_SHOP", "score B -1.0"],
    ),
    "a rule of a plugin": ({}, [Rule("X", "body", "eval:check_x()")], {}, ["body X eval:check_x()"]),
    "a header that is there": ({}, [Rule("X", "header", "exists:X-Thing")], {}, ["header X exists:X-Thing"]),
    "scores": ({}, [], {"HTML_MESSAGE": 0, "BAYES_99": "4.5"}, ["score HTML_MESSAGE 0", "score BAYES_99 4.5"]),
}
REFUSED = {
    "a rule among the settings": ({"body": "X /x/"}, [], {}, "body is about a rule; write it in spamassassin_rules"),
    "a setting in capitals": ({"Required": 1}, [], {}, "'Required' is not a setting of SpamAssassin"),
    "a setting in two lines": ({"report_contact": "a\nscore X 1"}, [], {}, "is not a value in one line"),
    "a setting without a value": ({"report_contact": None}, [], {}, "report_contact: None is not a value in one line"),
    "a setting with a comment": ({"report_contact": "a # b"}, [], {}, "takes what follows # for a comment"),
    "a rule in small letters": ({}, [BODY._replace(name="our")], {}, "'our' is not a name of a rule"),
    "a rule twice": ({}, [BODY, BODY], {}, "rule OUR_WATCHES is listed twice"),
    "a rule of no kind": (
        {},
        [BODY._replace(kind="subject")],
        {},
        "rule OUR_WATCHES: there are no rules of the kind subject",
    ),
    "a rule with a comment": (
        {},
        [BODY._replace(definition="/a#b/")],
        {},
        "rule OUR_WATCHES: SpamAssassin takes what follows #",
    ),
    "a rule without slashes": (
        {},
        [BODY._replace(definition="cheap")],
        {},
        "rule OUR_WATCHES: 'cheap' is not a regular expression",
    ),
    "a rule with one slash": ({}, [BODY._replace(definition="/cheap")], {}, "write it as /…/ or m{…}"),
    "a rule with other brackets": ({}, [BODY._replace(definition="m{cheap)")], {}, "is not a regular expression"),
    "a header that is not said": ({}, [Rule("X", "header", "/x/")], {}, "rule X: write which header"),
    "two scores": ({}, [BODY._replace(score=1)], {"OUR_WATCHES": 2}, "rule OUR_WATCHES has a score, and another"),
    "a score of a part": ({}, [Rule("__A", "body", "/a/", 1)], {}, "rule __A counts in other rules only"),
    "a score that is none": ({}, [], {"BAYES_99": "high"}, "BAYES_99: the score 'high' is not a number"),
    "a score that is a switch": ({}, [], {"BAYES_99": True}, "BAYES_99: the score True is not a number"),
    "a score of the test pattern": (
        {},
        [],
        {"GTUBE": 2},
        "GTUBE is how each run sees that spam is found; leave its rule",
    ),
    "a rule in place of the test pattern": ({}, [BODY._replace(name="GTUBE")], {}, "GTUBE is how each run sees"),
    "a score of no rule": ({}, [], {"bayes": 1}, "'bayes' is not a name of a rule"),
}

SAID = """\
Nov 25 21:09:40.306 [4414] dbg: config: score set for non-existent rule DRUGS_STOCK_MIMEOLE
Nov 25 21:09:40.307 [4414] dbg: config: score set for non-existent rule NO_SUCH
Nov 25 21:09:40.308 [4414] dbg: rules: meta test OUR_META has undefined dependency 'OTHER'
Nov 25 21:09:40.309 [4414] dbg: rules: meta test THEIR_META has undefined dependency 'OTHER'
Nov 25 21:09:41.283 [4419] warn: config: failed to parse line in /tmp/c/zz_courier_mail.cf (line 1): nonsense 3
Nov 25 21:09:41.284 [4419] warn: netset: illegal IP address given: 'nonsense'
Nov 25 21:09:41.285 [4419] warn: netset: illegal IP address given: 'nonsense'
Nov 25 21:09:41.746 [4419] warn: lint: 2 issues detected, please rerun with debug enabled for more information
"""


@pytest.mark.parametrize(("settings", "rules", "scores", "lines"), WRITTEN.values(), ids=WRITTEN)
def test_writes(settings, rules, scores, lines):
    assert render(settings, rules, scores).splitlines() == ["# Managed by courier.mail", *lines]


def test_the_plugin_comes_before_settings_that_only_it_knows():
    lines = render({"clamd_timeout": 3}, [], {}, ["loadplugin X x.pm"]).splitlines()
    assert lines == ["# Managed by courier.mail", "loadplugin X x.pm", "clamd_timeout 3"]


@pytest.mark.parametrize(("settings", "rules", "scores", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(settings, rules, scores, sentence):
    with pytest.raises(SpamassassinError) as refused:
        render(settings, rules, scores)
    assert sentence in str(refused.value)


def test_the_patterns_of_rules():
    rules = [
        BODY,
        Rule("A", "header", "Subject !~ m{^re: /x/}s [if-unset: re]"),
        Rule("B", "meta", "A || OUR_WATCHES"),
        Rule("C", "header", "exists:X-Thing"),
        Rule("D", "full", "m!a!"),
    ]
    assert list(patterns(rules)) == [
        Pattern("OUR_WATCHES", "cheap watches", "i"),
        Pattern("A", "^re: /x/", "s"),
        Pattern("D", "a", ""),
    ]


def test_what_is_held_against_us():
    assert objections(SAID, ["NO_SUCH", "OUR_META"]) == [
        "there is no rule NO_SUCH that could have a score",
        "rule OUR_META asks for OTHER, and there is no such rule",
        "failed to parse line: nonsense 3",
        "netset: illegal IP address given: 'nonsense'",
    ]


def test_what_their_own_rules_lack_is_not():
    assert objections("\n".join(SAID.splitlines()[:4]), []) == []
