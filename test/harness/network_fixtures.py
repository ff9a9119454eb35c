"""Fixtures of files that test a swarm's networks, a plugin of pytest: one swarm of three machines for a file, a client that is none of them,
and nothing left between tests. A file says how its swarm differs by SWARM, the arguments of `form_with_client`; what else it needs it adds by a
fixture `three` of its own, made of this one.
"""
import pytest

from . import datapath
from .overlay import clear, form_with_client


@pytest.fixture(scope="module")
def three(request, module_clusters):
    with form_with_client(module_clusters(), **getattr(request.module, "SWARM", {})) as s:
        yield s
        datapath.until_true_to_store(s, may_linger=False)  # once for all tests: nothing of theirs is left in a kernel


@pytest.fixture
def cluster(three):
    return three.cluster  # its machines' logs are shown when a test fails


@pytest.fixture
def s(three, cluster):
    """For what breaks no machine."""
    yield three
    clear(three)
