"""A journal that a test writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from plugins.module_utils._watch._trace_journal import Line, Lines
from plugins.module_utils._watch._trace_search import Trace, query

T = 1795595675  # 2026-11-25 08:34:35 UTC
NOWHERE = "/nonexistent"


def number(one: int, second: int = 0) -> str:
    """Courier's id of a message that came in this second, with the number of its file."""
    return f"{one:018X}.{short(one, second)}"


def short(one: int, second: int = 0) -> str:
    return f"{T + second:016X}.{one:08X}"


ID = number(1)


def line(second: float, identifier: str, text: str, unit: str = "courier.service") -> Line:
    """An entry. ID is the id of the first message, ID2 that of the second of the same second, and so on."""
    for one in range(9, 1, -1):
        text = text.replace(f"ID{one}", number(one))
    return Line(T + second, identifier, 700, text.replace("ID", ID).encode().decode("latin-1"), unit)


def judged(second: float, one: str = "ID", **entry: object) -> Line:
    """The filters' line."""
    said = {"id": one, "from": "ann@example.net", "to": ["bob@example.com"], "written": [], "client": "192.0.2.7"}
    said |= {"login": None, "source": "smtp", "size": 1270, "verdict": "pass", "reply": "", "filters": {"log": "pass"}}
    # As long as the real one, which is not found by its bytes.
    return line(second, "pythonfilter", f"courier_mail: {json.dumps(said | entry | {'pad': 'x' * 400})}")


def named(second: float, one: str = "ID", **entry: object) -> Line:
    said = {"id": one, "message_id": "<1@example.net>", "client": "192.0.2.7", "tls": "TLS1.3"}
    said |= {"from": ["ann@lists.example.net"], "written": [], "to": ["list@example.org"]}
    return line(second, "pythonfilter", f"courier_mail_header: {json.dumps(said | entry)}")


class Told:
    """Says what a Journal says."""

    def __init__(self, *told: Line) -> None:
        self.told = sorted(told)

    def begins(self) -> float | None:
        return self.told[0].at if self.told else None

    def lines(self, texts: Iterable[bytes], since: float, until: float, most: int = 1000) -> Lines:
        wanted = [one.decode("latin-1") for one in texts]
        found = [
            one
            for one in reversed(self.told)
            if since <= one.at <= until and len(one.text) < 504 and any(text in one.text for text in wanted)
        ]
        return Lines(found[:most], len(found) > most)

    def read(self, since: float, until: float) -> Iterator[Line]:
        yield from (one for one in self.told if since <= one.at <= until)


def traced(told: Iterable[Line], queue: str = NOWHERE, fetchmail: str = NOWHERE, **asked: object) -> dict:
    """What is found in these lines."""
    return Trace(query(asked, T + 86400.0), Told(*told), queue, fetchmail).found(checked=True)


def verdicts(found: dict) -> dict[str, str]:
    """What became of the first message, by recipient."""
    return {one["address"]: one["verdict"] for one in found["messages"][0]["recipients"]}
