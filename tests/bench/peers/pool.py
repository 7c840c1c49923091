"""A pool of one worker process: concurrent.futures, loky or pebble, as the argument says. Says its figures as JSON."""

import json
import multiprocessing
import sys
from statistics import median
from time import perf_counter


def make(library):
    if library == "concurrent.futures":
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    if library == "loky":
        from loky import ProcessPoolExecutor

        return ProcessPoolExecutor(1)
    from pebble import ProcessPool

    return Pebble(ProcessPool(1, context=multiprocessing.get_context("spawn")))


class Pebble:
    """Makes pebble's pool look like the others."""

    def __init__(self, pool):
        self.pool = pool

    def submit(self, function, *arguments):
        return self.pool.schedule(function, args=arguments)

    def shutdown(self):
        self.pool.close()
        self.pool.join()


def add(a, b):
    return a + b


BULK = bytes(50_000_000)


def bulk():
    return BULK


def timed(act):
    began = perf_counter()
    act()
    return perf_counter() - began


def start_and_stop(library):
    began = perf_counter()
    pool = make(library)
    pool.submit(add, 1, 1).result()
    took = perf_counter() - began
    pool.shutdown()
    return took


def many(pool, count):
    for future in [pool.submit(add, 1, 1) for _ in range(count)]:
        future.result()


if __name__ == "__main__":
    library = sys.argv[1]
    starts = [start_and_stop(library) for _ in range(5)]
    pool = make(library)
    calls = [timed(lambda: pool.submit(add, 1, 1).result()) for _ in range(2000)]
    took = timed(lambda: many(pool, 5000))
    bulks = [timed(lambda: pool.submit(bulk).result()) for _ in range(5)]
    pool.shutdown()
    print(json.dumps({"start": median(starts), "call": median(calls), "per_second": 5000 / took, "bulk": median(bulks)}))
