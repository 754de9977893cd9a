# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters in their order, and what happens when one of them cannot say anything.

pythonfilter takes an exception, a missing module and a module that cannot be imported for consent. So it is given one
module, this one, and here nothing is consent but a filter that has looked.

When a message is to be let in and is as it will be, filters that have `seal` are asked a second time, all of them,
whoever was believed before: a signature is over everything that others wrote.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _addresses, _fetched
from ._message import Message
from ._origin import origin
from ._settings import build
from ._verdict import PASS, Down, Filter, Judged, Outcome, Verdict, defer, replied

UNCHECKED = "X-Courier-Mail-Unchecked"
SCORES = "X-Spam-*"
SEALING = ("dkim_sign",)  # what seals, where it cannot be loaded and asked
_LATER = "451 4.3.0 The mail cannot be checked at the moment; please try again later"
_AGAINST = ("refuse", "defer")


class Packaged:
    """One of pythonfilter's own modules."""

    def __init__(self, name: str) -> None:
        module = importlib.import_module(f"pythonfilter.{name}")
        if hasattr(module, "init_filter"):
            module.init_filter()
        self._do = module.do_filter

    def check(self, message: Message) -> Verdict:
        return replied(self._do(message.text, message.controls))


class Broken:
    """A filter that could not be made."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def check(self, _message: Message) -> Verdict:
        raise Down(self._reason)


class BrokenSealer:
    """A filter that could not be made, and would have sealed."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def check(self, _message: Message) -> Verdict:
        return PASS

    def seal(self, _message: Message) -> Verdict:
        raise Down(self._reason)


class Chain:
    """Filters in their order.

    when_down says what a filter that is down, or broken, or fails, means for a message: defer it, accept it as if the
    filter had passed it, or tag it, which is to accept it with a field that names the filter.
    """

    def __init__(
        self,
        names: Sequence[str],
        when_down: Mapping[str, str],
        settings: Mapping[str, Mapping[str, Any]],
        known: str = _addresses.PATH,
    ) -> None:
        self._when_down = when_down
        self._mailboxes = _addresses.Read(known)
        self._is_scored = "spamd" in names
        self._filters = [(name, made(name, settings.get(name, {}))) for name in names]

    def __call__(self, text: str, controls: Sequence[str]) -> str:
        """What pythonfilter tells Courier: nothing, or an SMTP reply."""
        try:
            message = Message(text, controls)
            outcome = self.judge(message)
            if outcome.verdict.action not in _AGAINST:
                message.commit()
                outcome = self.seal(message, outcome)
            for name, one in self._filters:
                _finish(name, one, message, outcome)
            return outcome.verdict.reply
        except Exception:
            traceback.print_exc()
            return _LATER

    def judge(self, message: Message) -> Outcome:
        """Ask the filters, until one is sure."""
        message.remove(UNCHECKED)
        # Also where nobody asks spamd, since the sender is believed. What is ours was scored where it came in.
        if self._is_scored and origin(message).kind not in ("relay", "local"):
            message.remove(SCORES)
        judged: list[Judged] = []
        for name, one in self._filters:
            judged.append(self._asked(name, self._kept(name, one.check), message))
            if judged[-1].verdict.action != "pass":
                return Outcome(judged[-1].verdict, judged)
        return Outcome(PASS, judged)

    def _kept(self, name: str, check: Callable[[Message], Verdict]) -> Callable[[Message], Verdict]:
        """A filter, but for what it would refuse and nobody can be told of."""

        def ask(message: Message) -> Verdict:
            verdict = check(message)
            if verdict.action == "refuse" and _fetched.is_fetched(message):
                return _fetched.instead(name, verdict, message, self._mailboxes())
            return verdict

        return ask

    def seal(self, message: Message, outcome: Outcome) -> Outcome:
        """Ask those that seal, one after the other; each seals what those before it wrote."""
        judged = list(outcome.judged)
        for name, one in self._filters:
            if hasattr(one, "seal"):
                judged.append(self._asked(name, one.seal, message))
                if judged[-1].verdict.action in _AGAINST:
                    return Outcome(judged[-1].verdict, judged)
                message.commit()
        return Outcome(outcome.verdict, judged)

    def _asked(self, name: str, ask: Callable[[Message], Verdict], message: Message) -> Judged:
        began = time.monotonic()
        try:
            verdict, down = ask(message), ""
        except Exception as error:
            down = str(error) or type(error).__name__
            if not isinstance(error, Down):
                traceback.print_exc()
            verdict = self._without(name, message)
        return Judged(name, verdict, time.monotonic() - began, down)

    def _without(self, name: str, message: Message) -> Verdict:
        wanted = self._when_down.get(name, "defer")
        if wanted == "tag":
            message.add(UNCHECKED, name)
        return PASS if wanted in ("accept", "tag") else defer(_LATER)


def made(name: str, settings: Mapping[str, Any]) -> Filter:
    """A filter of ours, or one of pythonfilter's; where neither can be made, one that is always down."""
    try:
        if importlib.util.find_spec(f"{__package__}.{name}"):
            module = importlib.import_module(f".{name}", __package__)
            one: Filter = module.Filter(build(module.Settings, settings))
            return one
        return Packaged(name)
    except Exception as error:
        traceback.print_exc()
        reason = f"it could not be started: {error}"
        return BrokenSealer(reason) if name in SEALING else Broken(reason)


def _finish(name: str, one: Any, message: Message, outcome: Outcome) -> None:
    """Tell a filter that wants to know what became of the message. Nothing can be decided any more."""
    try:
        if hasattr(one, "finish"):
            one.finish(message, outcome)
    except Exception:
        sys.stderr.write(f"courier_mail: {name} failed after the verdict\n")
        traceback.print_exc()
