"""How long it takes to count a journal with a million lines for the report, and to make the page.

Compared with journalctl alone, which writes the same lines and counts nothing. Without a bed, on a host that has
systemd-journal-remote, or with a directory that has a journal already:

    python -m tests.bench.report DIRECTORY
"""

from __future__ import annotations

import glob
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from plugins.module_utils._report._count import Tally, count
from plugins.module_utils._report._lines import IDENTIFIERS, READERS, Journal
from plugins.plugin_utils._report._document import document
from plugins.plugin_utils._report._needs import Limits
from plugins.plugin_utils._report._page import page
from tests.bench.bed import Figure
from tests.bench.trace import DIRECTORY, LINES, MAKER, ROUNDS, T, make

DAYS = 7
PARTS = (
    "queue",
    "units",
    "filters",
    "certificates",
    "backup",
    "fetched",
    "bans",
    "lists",
    "findings",
    "reports",
    "places",
)


def counted(directory: str) -> dict[str, object]:
    until = T + DAYS * 86400
    tally = Tally(T - 1, until, 84)
    count(Journal(T - 1, [], directory).lines(), tally, 10 * LINES)
    return {**tally.data(), "complete": True}


def alone(directory: str) -> None:
    names = [f"--identifier={name}" for name in (*IDENTIFIERS, *READERS)]
    command = [
        "journalctl",
        f"--directory={directory}",
        "--output=short-unix",
        "--no-pager",
        "--quiet",
        "--all",
        *names,
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def measured(directory: str) -> list[Figure]:
    ours, theirs = [], []
    journal: dict[str, object] = {}
    for _round in range(ROUNDS):
        start = time.monotonic()
        journal = counted(directory)
        between = time.monotonic()
        alone(directory)
        ours.append(between - start)
        theirs.append(time.monotonic() - between)
    mine, other = statistics.median(ours), statistics.median(theirs)
    host = {"name": "mx1", "domains": ["example.com"], "report": dict.fromkeys(PARTS) | {"journal": journal}}
    start = time.monotonic()
    text = page(document([host], "", DAYS, Limits(), T))
    made = time.monotonic() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return [
        Figure(
            f"report, {journal['lines']:,} lines counted",
            f"{mine:.1f} s, {memory} MiB",
            f"journalctl alone {other:.1f} s",
            f"{mine / other:.2f}",
            "",
        ),
        Figure("the page of it", f"{made:.2f} s, {len(text) >> 10} KiB", "", "", ""),
    ]


def figures(host: str) -> list[Figure]:
    """Of the journal that was made there for mailtrace, counted here."""
    with tempfile.TemporaryDirectory() as directory:
        source = f"courier-bench-{host}:{DIRECTORY}/."
        subprocess.run(["docker", "cp", source, directory], check=True, capture_output=True)
        return measured(directory)


def main(directory: str, maker: str = MAKER) -> None:
    if not glob.glob(f"{directory}/*.journal"):
        make([maker, f"--output={directory}/system.journal", "-"], 0)
    for row in measured(directory):
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
