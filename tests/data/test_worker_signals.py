"""Signals that a job gets as a whole, as seen by the workers of its loaders."""

import multiprocessing
import os
import signal
from contextlib import suppress

import pytest


@pytest.fixture
def workers_of_a_loader(make_data, tmp_path):
    """(the workers, the batches that are left, what a handler would make that they took along)"""
    heard = tmp_path / "heard"
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.touch())
    others = multiprocessing.active_children()
    batches = iter(make_data(num_workers=2, batch_size=2).train_dataloader())
    for _ in range(2):  # one of each worker, which then listens
        next(batches)
    yield [child for child in multiprocessing.active_children() if child not in others], batches, heard
    batches.close()  # so that nothing but the loader keeps the workers
    signal.signal(signal.SIGUSR1, before)


def test_they_are_left_to_the_training(workers_of_a_loader):
    workers, batches, heard = workers_of_a_loader
    assert len(workers) == 2
    for worker in workers:
        for signum in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            os.kill(worker.pid, signum)
    assert len(list(batches)) == 7  # of 9
    assert all(worker.is_alive() for worker in workers)
    assert not heard.exists()


def test_a_second_sigterm_ends_a_worker(workers_of_a_loader):
    (worker, _), *_ = workers_of_a_loader
    worker.terminate()
    worker.join(0.3)
    assert worker.is_alive()
    with suppress(RuntimeError):  # of PyTorch, as soon as it sees that the worker has ended
        while worker.is_alive():
            worker.terminate()
            worker.join(0.3)
    assert worker.exitcode == -signal.SIGTERM
