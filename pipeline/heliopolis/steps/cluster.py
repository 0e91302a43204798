"""A Dask cluster for the work inside jobs: one that runs, or one that the run starts."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from heliopolis.config import Dask
from heliopolis.errors import ConfigError, HeliopolisError

#: Tells the jobs of a run the address of the scheduler.
DASK_VARIABLE = "HELIOPOLIS_DASK"
#: A scheduler that does not answer within this is out of reach [s].
_REACH_S = 30


@contextmanager
def cluster(section: Dask) -> Iterator[str | None]:
    """Address of the scheduler for the jobs of a run; None for threads.

    A cluster of a job queue lives as long as the run.
    """
    if section.jobqueue is None:
        yield section.scheduler
        return
    try:
        module = importlib.import_module("dask_jobqueue")
        kind = getattr(module, section.jobqueue)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"there is no {section.jobqueue}",
            where="dask.jobqueue",
            remedy=f"pip install dask-jobqueue, and check the name of the class: {error}",
        ) from error
    with kind(**section.options) as started:
        started.scale(section.workers)
        yield str(started.scheduler_address)


@contextmanager
def joined() -> Iterator[None]:
    """Within it lazy arrays are computed by the cluster that the run named, if it named one."""
    address = os.environ.get(DASK_VARIABLE)
    if not address:
        yield
        return
    from distributed import Client

    try:
        client = Client(address, timeout=_REACH_S, set_as_default=True)
    except (OSError, TimeoutError) as error:
        raise HeliopolisError(
            "the Dask scheduler does not answer",
            where=address,
            remedy="Check dask.scheduler and that the scheduler runs",
        ) from error
    with client:
        yield
