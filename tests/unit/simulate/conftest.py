"""One small simulated city for all tests of this folder."""

from __future__ import annotations

import pytest

from heliopolis.simulate.city import DEMO, TINY, City, build_city


@pytest.fixture(scope="session")
def tiny_city() -> City:
    return build_city(TINY)


@pytest.fixture(scope="session")
def demo_city() -> City:
    return build_city(DEMO)
