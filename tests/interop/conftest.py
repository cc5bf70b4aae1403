"""Other people's software, each started once and only if a test wants it."""

from collections.abc import Iterator

import pytest
from tests.interop.node_peer import HERE, NodePeer, installed, missing


@pytest.fixture(scope="session")
def node() -> Iterator[NodePeer]:
    installed("node", "make test says how to get it")
    if not (HERE / "node_modules" / "jose").is_dir():
        missing("tests/interop/node has no packages; run: sh scripts/ensure-node-packages")
    peer = NodePeer()
    yield peer
    peer.stop()
