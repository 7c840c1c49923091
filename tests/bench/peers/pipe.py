"""A worker by hand: multiprocessing.Process and a Pipe. Says its figures as JSON."""

import json
import multiprocessing
from statistics import median
from time import perf_counter

WINDOW = 64


def serve(pipe):
    bulk = bytes(50_000_000)
    functions = {"add": lambda a, b: a + b, "bulk": lambda: bulk}
    while (request := pipe.recv()) is not None:
        name, arguments = request
        pipe.send(functions[name](*arguments))


def start():
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs,))
    process.start()
    call(ours, "add", 1, 1)
    return ours, process


def call(pipe, name, *arguments):
    pipe.send((name, arguments))
    return pipe.recv()


def timed(act):
    began = perf_counter()
    act()
    return perf_counter() - began


def start_and_stop():
    began = perf_counter()
    pipe, process = start()
    took = perf_counter() - began
    pipe.send(None)
    process.join()
    return took


def many(pipe, count):
    for _ in range(WINDOW):
        pipe.send(("add", (1, 1)))
    for _ in range(count - WINDOW):
        pipe.recv()
        pipe.send(("add", (1, 1)))
    for _ in range(WINDOW):
        pipe.recv()


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    starts = [start_and_stop() for _ in range(5)]
    pipe, process = start()
    calls = [timed(lambda: call(pipe, "add", 1, 1)) for _ in range(3000)]
    took = timed(lambda: many(pipe, 50_000))
    bulks = [timed(lambda: call(pipe, "bulk")) for _ in range(5)]
    pipe.send(None)
    process.join()
    print(json.dumps({"start": median(starts), "call": median(calls), "per_second": 50_000 / took, "bulk": median(bulks)}))
