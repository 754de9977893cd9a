from __future__ import annotations

import pytest

from plugins.module_utils._courier.circles import circle

GRAPHS = {
    "nothing": ({}, ""),
    "chain": ({"a": ["b"], "b": ["c"]}, ""),
    "two ways to one": ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, ""),
    "itself": ({"a": ["a"]}, "aa"),
    "two": ({"a": ["b"], "b": ["a"]}, "aba"),
    "direction": ({"a": ["b"], "b": ["c"], "c": ["a"]}, "abca"),
    "begins with the first of the graph": ({"c": ["a"], "b": ["c"], "a": ["b"]}, "cabc"),
    "reached from outside": ({"z": ["b"], "a": ["b"], "b": ["c"], "c": ["b"]}, "bcb"),
}


@pytest.mark.parametrize(("graph", "nodes"), GRAPHS.values(), ids=GRAPHS)
def test_finds_who_leads_to_each_other(graph, nodes):
    assert circle(graph) == list(nodes)


def test_follows_long_chains():
    graph = {number: [number + 1] for number in range(100_000)} | {100_000: [0]}
    assert len(circle(graph)) == 100_002
