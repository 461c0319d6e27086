"""Trials of a set in the in-process loop, on several processes of this machine, or of several through Ray."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from vipa.errors import VipaError
from vipa_sim.trials import Outcome, Trial, run_trial


def run(trials: Sequence[Trial], jobs: int, ray: bool = False) -> Iterator[tuple[int, Outcome]]:
    """Runs `trials` on `jobs` processes and yields (index, outcome) as each is over. ray: on a Ray cluster, of which `jobs` is the
    number of tasks at once. Whoever stops asking ends what is still running. Raises VipaError."""
    if ray:
        yield from _on_ray(trials, jobs)
    elif jobs == 1:
        yield from ((i, run_trial(trial)) for i, trial in enumerate(trials))
    else:
        yield from _on_processes(trials, jobs)


def _on_processes(trials, jobs):
    # one thread each, or the processes fight for the cores
    for name in ("OMP_NUM_THREADS", "LP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # a forked child would share MuJoCo's and OpenGL's state
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, max(len(trials), 1)), mp_context=context, initializer=_begin_worker)
    finished = False
    try:
        yield from _as_completed(trials, jobs, lambda trial: pool.submit(run_trial, trial))
        finished = True
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:  # interrupted: nobody wants what they are at
            for child in multiprocessing.active_children():
                child.terminate()


def _as_completed(trials, jobs: int, submit: Callable[[Trial], Future]) -> Iterator[tuple[int, Outcome]]:
    """At most jobs + 1 at a time, so that what is asked for late starts soon and what is no longer wanted never does."""
    waiting = iter(enumerate(trials))
    running: dict[Future, int] = {}
    for number, trial in waiting:
        running[submit(trial)] = number
        if len(running) > jobs:
            yield from _finished(running)
    while running:
        yield from _finished(running)


def _finished(running: dict[Future, int]) -> Iterator[tuple[int, Outcome]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        number = running.pop(future)
        try:
            outcome = future.result()
        except Exception as error:  # noqa: BLE001  the process died: no trial is to blame, and none is lost
            raise _died(error) from None
        yield number, outcome


def _died(error: Exception) -> VipaError:
    words = " ".join(str(error).split())[:200]
    return VipaError(f"a worker process died: {type(error).__name__}: {words}; the same call goes on")


def _begin_worker() -> None:
    """In a worker: Ctrl-C is its parent's affair, and it ends with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _on_ray(trials, jobs):
    try:
        import ray
    except ModuleNotFoundError:
        raise VipaError("--ray: ray is not installed; run: pip install 'vipa_ros[ray]'") from None
    began = not ray.is_initialized()
    if began:  # RAY_ADDRESS names a cluster; without it one begins on this machine
        ray.init(num_cpus=None if os.environ.get("RAY_ADDRESS") else jobs, log_to_driver=False, include_dashboard=False)
    remote = ray.remote(run_trial)
    numbers: dict = {}
    try:
        waiting = iter(enumerate(trials))
        while True:
            while len(numbers) < jobs and (upcoming := next(waiting, None)) is not None:
                numbers[remote.remote(upcoming[1])] = upcoming[0]
            if not numbers:
                return
            done, _ = ray.wait(list(numbers), num_returns=1)
            number = numbers.pop(done[0])
            try:
                outcome = ray.get(done[0])
            except ray.exceptions.RayError as error:
                raise _died(error) from None
            yield number, outcome
    finally:
        for left in numbers:
            ray.cancel(left, force=True)
        if began:
            ray.shutdown()
