"""Threads that share the tasks of one frame."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Task = TypeVar("Task")


class Crew:
    """The calling thread and `size - 1` others, which sleep between two calls of `share`."""

    def __init__(self, size: int) -> None:
        self.size = max(1, size)
        self._ready = threading.Semaphore(0)
        self._job: Callable[[int], None] | None = None
        self._goes = [threading.Semaphore(0) for _ in range(self.size - 1)]
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._serve, args=(index,), daemon=True, name=f"siren-{index}")
            for index in range(1, self.size)
        ]
        for thread in self._threads:
            thread.start()

    def share(self, tasks: Sequence[Task], work: Callable[[int, Task], None]) -> None:
        """Call `work(worker, task)` for every task; return when all are done, or raise.

        `worker` is below `size`, and no two calls run at once with the same.
        """
        helpers = self._goes[: len(tasks) - 1]
        queue: Iterator[Task] = iter(tasks)
        self._job = lambda worker: _work_off(queue, worker, work)
        for go in helpers:
            go.release()
        try:
            self._job(0)
        finally:
            for _ in helpers:
                self._ready.acquire()
            self._job = None
            errors, self._errors = self._errors, []
        if errors:
            raise errors[0]

    def close(self) -> None:
        """End the threads."""
        for go in self._goes:
            go.release()
        for thread in self._threads:
            thread.join()
        self._goes, self._threads = [], []

    def _serve(self, index: int) -> None:
        go = self._goes[index - 1]
        while go.acquire() and self._job is not None:
            try:
                self._job(index)
            except BaseException as error:  # raised again by `share`, in the thread that asked
                self._errors.append(error)
            finally:
                self._ready.release()


def _work_off(queue: Iterator[Task], worker: int, work: Callable[[int, Task], None]) -> None:
    # Taking the next item of a sequence's iterator is one step of the interpreter.
    for task in queue:
        work(worker, task)
