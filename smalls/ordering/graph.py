"""An order in which everything comes after what it needs, as far as rings allow; without recursion."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from smalls.schema import TableKey

Node = TypeVar("Node", bound="TableKey")


def by_need(needs: Mapping[Node, AbstractSet[Node]]) -> list[Node]:
    """Return the nodes, each after those it needs, smallest first where there is a choice.

    Needs outside the mapping and of itself do not count. A ring is entered at one of its members, so that
    only nodes on a ring ever come before something that they need.
    """
    left = {node: {need for need in needs[node] if need in needs and need != node} for node in needs}
    users: dict[Node, list[Node]] = {node: [] for node in left}
    for node, wanted in left.items():
        for need in wanted:
            users[need].append(node)
    ready = [node for node, wanted in left.items() if not wanted]
    heapify(ready)
    order: list[Node] = []
    while left:
        node = heappop(ready) if ready else _on_a_ring(left)
        order.append(node)
        del left[node]
        for user in users[node]:
            if user in left:
                left[user].discard(node)
                if not left[user]:
                    heappush(ready, user)
    return order


def _on_a_ring(left: Mapping[Node, set[Node]]) -> Node:
    """Return a node that needs itself by some way; every node of `left` needs another of `left`."""
    node, seen = min(left), set()
    while node not in seen:
        seen.add(node)
        node = min(left[node])
    return node
