"""The two small algorithms under the order of operations: rings of needs, and tangles of names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smalls.ordering.graph import by_need
from smalls.ordering.untangle import Spares, untangle

nodes = st.sampled_from("abcdefgh")
graphs = st.dictionaries(nodes, st.sets(nodes))


def _reaches(graph, start, end):
    seen, front = set(), {start}
    while front - seen:
        node = (front - seen).pop()
        seen.add(node)
        front |= graph.get(node, set()) & graph.keys()
        if end in graph.get(node, set()):
            return True
    return False


@given(graphs)
def test_everything_comes_after_what_it_needs_but_on_a_ring(graph):
    """A node comes before a need of its own only where the node is on a ring."""
    graph = {node: needs - {node} for node, needs in graph.items()}
    order = by_need(graph)
    assert sorted(order) == sorted(graph)
    for at, node in enumerate(order):
        if graph[node] & set(order[at + 1 :]):
            assert _reaches(graph, node, node)


@given(graphs, st.randoms(use_true_random=False))
def test_the_order_depends_on_nothing_but_the_needs(graph, random):
    """Neither on the order of the mapping nor on that of the sets."""
    items = list(graph.items())
    random.shuffle(items)
    assert by_need(dict(items)) == by_need(graph)


@st.composite
def tangles(draw):
    """Old names, of which some go, some stay and some are renamed; new names, which may be any that fit."""
    names = st.sampled_from(["a", "A", "b", "B", "c", "d", "e", "x", "X"])
    old = draw(st.lists(names, unique_by=str.casefold))
    new = draw(st.lists(names, unique_by=str.casefold))
    kept = draw(st.integers(0, min(len(old), len(new))))
    pairs = dict(zip(old[:kept], new[:kept], strict=True))
    return old, new, pairs


@given(tangles())
def test_no_name_is_ever_taken_twice(tangle):
    """Step by step each name is free, in any case; at the end each name is where it is wanted."""
    old, new, pairs = tangle
    steps = untangle(
        {was: name for was, name in pairs.items() if was != name},
        going=[name for name in old if name not in pairs],
        coming=[name for name in new if name not in pairs.values()],
        fold=str.casefold,
        spare=Spares([*old, *new]),
    )
    held = {name: name for name in old}  # current name to original name
    for was, name in steps:
        held[name] = held.pop(was)
        assert len({key.casefold() for key in held}) == len(held) == len(old)
    assert all(held[name] == was for was, name in pairs.items())
    for name in new:
        if name not in pairs.values():
            assert name.casefold() not in {key.casefold() for key in held}


def test_spare_names_are_free_short_and_distinct():
    """However long the name, and whatever is taken."""
    spare = Spares(["x_aside_1", "X_ASIDE_2"])
    assert [spare("x"), spare("x"), spare("y")] == ["x_aside_3", "x_aside_4", "y_aside_1"]
    assert len(spare("é" * 100).encode()) <= 63
