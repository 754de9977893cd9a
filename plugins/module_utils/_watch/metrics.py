# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch metrics: write everything that can be counted for the exporter of Prometheus."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import _parts
from ._exit import UNAVAILABLE
from ._found import Sample
from ._metrics_table import METRICS, Metric

PART = "metrics"
FILE = "/run/courier-mail-watch/courier_mail.prom"
_SUFFIX = re.compile("_(?:bucket|sum|count)$")
_LONGEST = 200  # characters of a label


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="courier-mail-watch metrics", description=__doc__)
    parser.add_argument("--file", default=FILE, help="where to (%(default)s)")
    given = parser.parse_args(list(arguments)[1:])
    try:
        write(given.file, _parts.samples(), time.time())
    except (OSError, ImportError) as error:
        sys.stderr.write(f"courier-mail-watch: {error}\n")
        return UNAVAILABLE
    return 0


def samples() -> Iterator[Sample]:
    """Nothing of its own: what is written says when it was."""
    yield from ()


def findings() -> Iterator[Any]:
    """A file that is old is found by whoever collects it."""
    yield from ()


def write(path: str, found: Iterable[Sample], now: float) -> None:
    """All of it, or nothing."""
    # Debian's python3-prometheus-client; the controller has none.
    from prometheus_client import CollectorRegistry, write_to_textfile  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    collector: Any = _Found([*found, Sample("courier_mail_written_timestamp_seconds", now)])
    registry.register(collector)
    write_to_textfile(path, registry)


class _Found:
    """A collector of prometheus_client."""

    def __init__(self, found: Sequence[Sample]) -> None:
        self._found = found

    def collect(self) -> Iterator[Any]:
        from prometheus_client import Metric as Family  # noqa: PLC0415

        families: dict[str, Any] = {}
        for sample in sorted(self._found, key=_place):
            name = family(sample.name)
            if name not in families:
                kind, means = METRICS.get(name, Metric("unknown", name))
                # It adds the ending of counters itself.
                families[name] = Family(name.removesuffix("_total") if kind == "counter" else name, means, kind)
            labels = {label: _short(value) for label, value in sample.labels.items()}
            families[name].add_sample(sample.name, labels, sample.value)
        yield from families.values()


def family(name: str) -> str:
    """The metric that a sample is of."""
    base = _SUFFIX.sub("", name)
    return base if base in METRICS and METRICS[base].kind == "histogram" else name


def _place(sample: Sample) -> tuple[str, list[tuple[str, str]], str, float]:
    """What belongs together stays together, and the buckets of a histogram are in their order."""
    others = sorted((label, value) for label, value in sample.labels.items() if label != "le")
    return family(sample.name), others, sample.name, float(sample.labels.get("le", "0"))


def _short(value: str) -> str:
    """A label, part of which strangers may have written."""
    return "".join(one if one.isprintable() else "?" for one in value)[:_LONGEST]
