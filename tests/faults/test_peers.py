"""Other users of the machine: what the kernel says of them decides, and is written down."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.box import Box
from tests.faults import chains, peers

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be other users")


@pytest.fixture(scope="module")
def visited(stock: Path) -> Iterator[Box]:
    """Return a running workspace that other users may visit."""
    with peers.visited(stock) as box:
        chains.files(box.path.parent)
        yield box


def test_the_audit_says_of_each_change_who_it_was_and_shows_every_edit(visited: Box) -> None:
    do = partial(chains.told, visited, visited.path.parent, peers.UID)
    assert peers.as_user(peers.UID, peers.GROUPS[2].gr_gid, [0], do) == []
    assert chains.edited(visited) == []


def test_control_is_on_its_own_socket_and_the_services_socket_is_the_engines(visited: Box) -> None:
    assert peers.control_on_the_port(visited) == []
    assert peers.serving_asked(visited) == []
    assert peers.crowded(visited) == []


def test_every_route_lets_through_whom_the_table_lets_and_nobody_else(visited: Box) -> None:
    count, wrong = peers.matrix_wrong(visited)
    assert wrong == []
    assert count > 300
