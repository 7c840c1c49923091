"""The runtime `python`: what runs inside a worker process, in CPython 3.8 or newer, with nothing but its standard library.

Started as `python3 SHIM worker CONTROL PAGE LIMIT`: the numbers of the descriptors of the control channel and of the page that
is shared with the host, and how many bytes a frame may have. Or as `python3 SHIM template STEPS PROGRAM MODULES...`, to fork
such processes. The wire protocol is described in `src/wire.rs`, the page in `src/wire/page.rs`.

One thread reads frames and evaluates. While it evaluates, the kernel sends it a signal for each frame that comes; the
handler looks into the page whether it is the running evaluation that is to end, and raises there. An evaluation that awaits
lets others run: it is a task of one event loop, which runs whenever it has something to do.

This text is several files, one behind another: `frames`, `values`, `output`, `evaluations`, `tasks`, `channels`,
`steps`, `template`, `serve`.
"""
import _ast
import _thread
import array
import fcntl
import io
import mmap
import os
import select
import signal
import struct
import sys
import time
from _contextvars import ContextVar
from types import ModuleType

SHIM = __file__
VERSION = 1
CELL = "cell"
MAX_DEPTH = 128
PAYLOAD_FROM = 512
LONGEST_TEXT = 1 << 16
SIGNAL = signal.SIGURG

EVALUATE, INTERRUPT, RESET, CHANNEL_TO_WORKER, SHUTDOWN = 1, 2, 3, 4, 5
HELLO, SUSPENDED, REPLIED, PRINTING, CHANNEL_FROM_WORKER, RESET_DONE = 32, 33, 34, 35, 36, 37
STDOUT, STDERR = 0, 1
OPEN, PUT, TAKEN, CLOSE = 0, 1, 2, 3

u32 = struct.Struct("<I").pack
UNPACK = {layout: (struct.Struct("<" + layout).unpack_from, struct.calcsize("<" + layout)) for layout in "?IQqd"}
u64 = struct.Struct("<Q").pack
prefix = struct.Struct("<IBBHIQ")
tagged_i64 = struct.Struct("<Iq").pack
tagged_f64 = struct.Struct("<Id").pack
tagged_length = struct.Struct("<IQ").pack
INTS = range(-(1 << 63), 1 << 63)


class Refused(Exception):
    """A value that cannot be carried."""


class ChannelClosed(Exception):
    """No more values come."""


class Held:
    """What must not be interrupted half-way: an interrupt that comes meanwhile is raised at the end."""

    depth = 0

    def __enter__(self):
        if _thread.get_ident() == MAIN:
            Held.depth += 1

    def __exit__(self, kind, *_):
        if _thread.get_ident() == MAIN:
            Held.depth -= 1
            if Held.depth == 0 and kind is None and is_interrupted(running()):
                raise KeyboardInterrupt


MAIN = _thread.get_ident()
held = Held()


class Control:
    """The control channel: what comes is cut into frames, and what goes is written at once."""

    def __init__(self):
        self.received = bytearray()
        self.writing = _thread.allocate_lock()

    def next(self):
        """The next whole frame that has come: its kind, its id, and its body with the payload behind it."""
        received = self.received
        if len(received) < prefix.size:
            return None
        length, version, kind, _, body, id = prefix.unpack_from(received)
        if version != VERSION or length > LIMIT:
            leave()
        if len(received) < 4 + length:
            return None
        frame = bytes(received[prefix.size:4 + length])
        del received[:4 + length]
        return kind, id, Body(frame, body)

    def read(self):
        """Waits for something to come. Whoever is in an evaluation must hold on meanwhile: what was read would be lost."""
        # More than this has the C library ask the kernel for memory each time.
        got = os.read(CONTROL, 1 << 16)
        if not got:
            leave()
        self.received += got

    def is_readable(self):
        return bool(select.select([CONTROL], [], [], 0)[0])

    def send(self, kind, id, body, payload=()):
        """Sends a frame. Whoever is in an evaluation must hold on meanwhile: half a frame is none."""
        length = sum(len(part) for part in payload)
        if prefix.size - 4 + len(body) + length > LIMIT:
            raise Refused(f"it has {len(body) + length} bytes, and a message may have {LIMIT}")
        with self.writing:
            write_all(CONTROL, framed(kind, id, body, length))
            for part in payload:
                write_all(CONTROL, part)


def framed(kind, id, body, payload=0):
    """A frame, up to its payload, which has so many bytes."""
    return prefix.pack(prefix.size - 4 + len(body) + payload, VERSION, kind, 0, len(body), id) + body


def write_all(descriptor, data):
    data = memoryview(data)
    while data:
        try:
            data = data[os.write(descriptor, data):]
        except BlockingIOError:
            # Somebody who has the same pipe does not want to wait for room.
            select.select([], [descriptor], [])


def library(name):
    """A module of the standard library, and none that lies where the process was started."""
    import importlib
    before, sys.path[:] = sys.path[:], [place for place in sys.path if place]
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:] = before


def leave():
    """The host is gone, or speaks another protocol."""
    os._exit(0)
