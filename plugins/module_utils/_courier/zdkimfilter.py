# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zdkimfilter.conf, as zdkimfilter.conf(5) has it: `name = value` in each line.

A name that zdkimfilter does not know ends it at its start, without its socket: Courier then passes mail by it,
unsigned. The table is complete for 2.0. Later versions have names beyond it, which the operator declares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

Version = tuple[int, ...]

_BOOLS = (
    "all_mode trust_a_r header_canon_relaxed body_canon_relaxed sign_rsa_sha1 let_relayclient_alone no_signlen "
    "add_auth_pass tempfail_on_error add_ztags no_spf save_from_anyway add_a_r_anyway report_all_sigs "
    "verify_one_domain honor_dmarc honor_author_domain reject_on_nxdomain header_action_is_reject do_reputation "
    "db_opt_multi_statements db_opt_compress"
)
_INTEGERS = (
    "verbose min_key_bits max_signatures log_dkim_order_above honored_report_interval reputation_fail reputation_pass "
    "dnswl_worthiness_pass dnswl_octet_index whitelisted_pass dns_timeout db_timeout"
)
_PATHS = "domain_keys tmp blocked_user_list publicsuffix psddmarc save_drop"
_LISTS = "key_choice_header sign_hfields skip_hfields trusted_vouchers trusted_dnswl"
_TEXTS = (
    "default_domain selector redact_received_auth split_verify action_header reputation_root dnswl_invalid_ip "
    "db_backend db_host db_port db_user db_password db_database db_opt_tls db_opt_mode db_opt_paged_results"
)
_QUERIES = (
    "whitelisted domain_flags select_domain update_domain insert_domain insert_msg_ref insert_message select_user "
    "select_target update_target insert_target insert_target_ref check_user dmarc_agg_domain dmarc_agg_record "
    "set_dmarc_agg check_dmarc_rcpt"
)
KINDS = ("bool", "int", "list", "path", "query", "text")

# Each option of 2.0, and the kind of its value.
OPTIONS: dict[str, str] = {
    **dict.fromkeys(_BOOLS.split(), "bool"),
    **dict.fromkeys(_INTEGERS.split(), "int"),
    **dict.fromkeys(_PATHS.split(), "path"),
    **dict.fromkeys(_LISTS.split(), "list"),
    **dict.fromkeys(_TEXTS.split(), "text"),
    **{f"db_sql_{name}": "query" for name in _QUERIES.split()},
}

# What nobody may read in a log or a diff.
SECRETS = ("db_password", "redact_received_auth")

_DEAD = "the service that it asks has ended"
_FORBIDDEN = {
    **dict.fromkeys(("do_reputation", "reputation_fail", "reputation_pass", "reputation_root"), _DEAD),
    "trusted_vouchers": _DEAD,
    "honor_author_domain": "ADSP is historic, and what it discards is gone without a word to anybody",
    "sign_rsa_sha1": "nobody may heed such signatures (RFC 8301)",
    "split_verify": "it needs a second process, which nobody would look after",
}
# What the role decides, with the value that mail depends on.
_OURS: dict[str, tuple[object, str]] = {
    "all_mode": (True, "without it Courier never asks zdkimfilter"),
    "no_signlen": (True, "without it anybody can add to what was signed"),
    "domain_keys": ("/etc/courier/filters/keys", "the role dkim has the keys there"),
}
_KEYWORDS = ("include", "override")

FIRST: Version = (2, 0)
# From here on programs have names of their own, and the table above may lack some options.
RENAMED: Version = (3, 0)
_SMALLEST_KEY = 1024  # RFC 8301: signers beyond it must be heeded

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "list": "a list of words",
    "path": "an absolute path",
    "query": "a text",
    "text": "a text in one line",
}


class ZdkimfilterError(ValueError):
    """An option that zdkimfilter would not start with, or that would hurt mail."""


def version(text: str) -> Version | None:
    """What a version says, also one of a package such as 1:3.20-1. None for none."""
    if not text:
        return None
    match = re.fullmatch(r"(?:\d+:)?(\d+)\.(\d+)(?:[^0-9].*)?", text)
    if not match:
        raise ZdkimfilterError(f"zdkimfilter_version is {text!r}; write a version such as 3.20")
    number = (int(match[1]), int(match[2]))
    if number < FIRST:
        raise ZdkimfilterError(f"zdkimfilter {_said(number)} is too old; install 2.0 or newer")
    return number


def signer(number: Version | None) -> str:
    """The program that signs by hand, and looks at a configuration, in this version."""
    return "dkimsign" if number is not None and number < RENAMED else "zdkimsign"


def render(
    options: Mapping[str, object],
    secrets: Mapping[str, object],
    number: Version | None = None,
    known: Mapping[str, str] | None = None,
) -> str:
    """The text of zdkimfilter.conf. known has options that the table lacks, with their kinds."""
    kinds = OPTIONS | _declared(known or {}, number)
    for name in secrets:
        if name not in SECRETS:
            raise ZdkimfilterError(f"{name} is no secret; write it in zdkimfilter_options")
    lines = ["# Managed by courier.mail"]
    for name, value in (*options.items(), *secrets.items()):
        if name in SECRETS and name in options:
            raise ZdkimfilterError(f"{name} is a secret; write it in zdkimfilter_secrets, which is never shown")
        _known(name, kinds, number)
        if value is None:  # left out, and as zdkimfilter has it by itself
            _decided(name, None)
            continue
        text = _written(name, kinds[name], value)
        _sensible(name, value)
        lines.append(f"{name} = {text}")
    return "\n".join((*lines, ""))


def masked(text: str) -> str:
    """The text without its secrets."""
    return re.sub(rf"^({'|'.join(SECRETS)}) = .*$", r"\1 = ********", text, flags=re.MULTILINE)


def _declared(known: Mapping[str, str], number: Version | None) -> dict[str, str]:
    for name, kind in known.items():
        if kind not in KINDS:
            raise ZdkimfilterError(f"zdkimfilter_known_options: {name} is of the kind {kind!r}; write {_or(KINDS)}")
        if number is not None and number < RENAMED:
            raise ZdkimfilterError(f"zdkimfilter {_said(number)} has no option {name}; take it out, or install 3.0")
        if name in _KEYWORDS or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ZdkimfilterError(f"zdkimfilter_known_options: {name!r} is not the name of an option")
    return dict(known)


def _known(name: str, kinds: Mapping[str, str], number: Version | None) -> None:
    if name in kinds:
        return
    if name in _KEYWORDS:
        raise ZdkimfilterError(f"{name} is a word of zdkimfilter 3.0 and no option; write the options themselves")
    close = get_close_matches(name, kinds, 1, 0.75)
    which = f"zdkimfilter {_said(number)}" if number else "zdkimfilter"
    if close:
        raise ZdkimfilterError(f"{which} has no option {name}; did you mean {close[0]}?")
    if number is not None and number < RENAMED:
        raise ZdkimfilterError(f"{which} has no option {name}; zdkimfilter.conf(5) lists what it has")
    raise ZdkimfilterError(
        f"{name} is not known here as an option of {which}; if its zdkimfilter.conf(5) has it, write "
        f"zdkimfilter_known_options: {{{name}: {_or(KINDS)}}}"
    )


def _decided(name: str, value: object) -> None:
    if name in _OURS and value != _OURS[name][0]:
        wanted, reason = _OURS[name]
        said = str(wanted).lower() if isinstance(wanted, bool) else wanted
        raise ZdkimfilterError(f"{name} must be {said}: {reason}; leave it out")


def _sensible(name: str, value: object) -> None:
    _decided(name, value)
    if name in _FORBIDDEN and value is not False:
        raise ZdkimfilterError(f"{name} must not be set: {_FORBIDDEN[name]}; leave it out")
    if name == "min_key_bits" and isinstance(value, int) and value < _SMALLEST_KEY:
        raise ZdkimfilterError(f"min_key_bits is {value}, and such keys can be broken; write at least {_SMALLEST_KEY}")
    if name == "publicsuffix" and not value:
        raise ZdkimfilterError("publicsuffix is empty, and DMARC needs the list; leave it out")


def _written(name: str, kind: str, value: object) -> str:
    text = _text(kind, value)
    if text is None:
        shown = "what was given" if name in SECRETS else repr(value)
        raise ZdkimfilterError(f"{name} is {shown}; write {_WORDS[kind]}")
    if text.endswith("\\"):
        raise ZdkimfilterError(f"{name} ends with a backslash, which would join it with the next line; take that away")
    return text


def _text(kind: str, value: object) -> str | None:
    """A value as it is written, or None where it is not of its kind."""
    if kind == "bool":
        return ("Y" if value else "N") if isinstance(value, bool) else None
    if kind == "int":
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
    if kind == "list":
        return _words(value)
    if kind == "query" and isinstance(value, str):
        lines = [line.rstrip() for line in value.strip().split("\n")]
        return None if _unprintable("".join(lines)) or not lines[0] else " \\\n".join(lines)
    if not isinstance(value, str) or not value or value != value.strip() or _unprintable(value):
        return None
    return value if kind == "text" or value.startswith("/") else None


def _words(value: object) -> str | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    return " ".join(value) if all(isinstance(word, str) and re.fullmatch(r"[!-~]+", word) for word in value) else None


def _unprintable(text: str) -> bool:
    return re.search(r"[\x00-\x1f\x7f]", text) is not None


def _said(number: Version) -> str:
    return ".".join(map(str, number))


def _or(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"
