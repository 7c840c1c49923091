"""The runtime `python`: what runs inside a worker process, in CPython 3.8 or newer, with nothing but its standard library.

Started as `python3 SHIM CONTROL PAGE LIMIT`: the numbers of the descriptors of the control channel and of the page that is
shared with the host, and how many bytes a frame may have. The wire protocol is described in `src/wire.rs`, the page in
`src/wire/page.rs`.

One thread reads frames and evaluates. While it evaluates, the kernel sends it a signal for each frame that comes; the
handler looks into the page whether it is the running evaluation that is to end, and raises there. An evaluation that awaits
lets others run: it is a task of one event loop, which runs whenever it has something to do.
"""
import _ast
import _thread
import fcntl
import mmap
import os
import signal
import struct
import sys
import time
from _contextvars import ContextVar
from types import ModuleType

CONTROL, PAGE, LIMIT = (int(number) for number in sys.argv[1:4])
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


# The channel

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
        """Waits for something to come."""
        got = os.read(CONTROL, 1 << 18)
        if not got:
            leave()
        self.received += got

    def send(self, kind, id, body, payload=()):
        length = sum(len(part) for part in payload)
        if prefix.size - 4 + len(body) + length > LIMIT:
            raise Refused(f"it has {len(body) + length} bytes, and a message may have {LIMIT}")
        frame = prefix.pack(prefix.size - 4 + len(body) + length, VERSION, kind, 0, len(body), id) + body
        with self.writing:
            write_all(CONTROL, frame)
            for part in payload:
                write_all(CONTROL, part)


def write_all(descriptor, data):
    data = memoryview(data)
    while data:
        data = data[os.write(descriptor, data):]


def leave():
    """The host is gone, or speaks another protocol."""
    os._exit(0)


# Bodies

class Body:
    """Reads the parts of a body, and of the payload behind it."""

    def __init__(self, frame, length):
        self.frame, self.at, self.payload = frame, 0, length

    def take(self, layout):
        value, = struct.unpack_from("<" + layout, self.frame, self.at)
        self.at += struct.calcsize("<" + layout)
        return value

    def bytes(self):
        length = self.take("Q")
        self.at += length
        return self.frame[self.at - length:self.at]

    def text(self):
        return self.bytes().decode()

    def data(self):
        if self.take("I") == 0:
            return self.bytes()
        length = self.take("Q")
        self.payload += length
        return self.frame[self.payload - length:self.payload]

    def value(self):
        return READERS[self.take("I")](self)

    def array(self):
        from array import array
        code = "bBBhHiIqQfd"[self.take("I")]
        return array(code, self.data())

    def date(self):
        from datetime import datetime, timezone
        return datetime.fromtimestamp(self.take("d") / 1000, timezone.utc)

    def handle(self):
        self.take("Q")
        raise Refused(f"a {self.text()} stays where it is: {self.text()}")


READERS = [
    lambda body: None,
    lambda body: body.take("?"),
    lambda body: body.take("q"),
    lambda body: int(body.text()),
    lambda body: body.take("d"),
    Body.text,
    Body.data,
    lambda body: [body.value() for _ in range(body.take("Q"))],
    lambda body: {frozen(body.value()): body.value() for _ in range(body.take("Q"))},
    Body.array,
    Body.date,
    Body.handle,
]


def frozen(key):
    """What a list or a map is as a key."""
    if isinstance(key, list):
        return tuple(frozen(item) for item in key)
    return frozenset((frozen(k), frozen(v)) for k, v in key.items()) if isinstance(key, dict) else key


def text(value):
    data = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()
    return u64(len(data)) + data


class Writer:
    """Gathers the parts of a value, and what of it travels in the payload."""

    def __init__(self):
        self.parts, self.payload, self.depth = [], [], 0

    def value(self, value):
        write = WRITERS.get(type(value))
        if write is None:
            write = writer_of(value)
        write(self, value)

    def data(self, data):
        data = memoryview(data).cast("B")
        if len(data) < PAYLOAD_FROM:
            self.parts += (tagged_length(0, len(data)), bytes(data))
        else:
            self.parts.append(tagged_length(1, len(data)))
            self.payload.append(data)

    def nested(self, number, items, count):
        self.depth += 1
        if self.depth >= MAX_DEPTH:
            raise Refused(f"it nests deeper than {MAX_DEPTH}, or is its own part")
        self.parts.append(tagged_length(number, count))
        for item in items:
            self.value(item)
        self.depth -= 1

    def int(self, value):
        if value in INTS:
            self.parts.append(tagged_i64(2, value))
        else:
            self.parts.append(u32(3) + text(decimal(value)))

    def array(self, element, data):
        self.parts.append(u32(9) + u32(element))
        self.data(data)

    def numpy(self, value):
        element = NUMPY.get(value.dtype.str)
        if element is None:
            return self.handle(value)
        if value.ndim == 1:
            return self.array(element, contiguous(value))
        self.nested(8, ["shape"], 2)
        self.value(list(value.shape))
        self.value("data")
        self.array(element, contiguous(value))

    def handle(self, value):
        self.parts.append(u32(11) + u64(0) + text(type(value).__name__) + text(shown(value)))


def decimal(value):
    """All digits of a number, however many."""
    limit = getattr(sys, "set_int_max_str_digits", None)
    if limit is None:
        return str(value)
    before = sys.get_int_max_str_digits()
    limit(0)
    try:
        return str(value)
    finally:
        limit(before)


def pairs(items):
    for key, value in items:
        yield key
        yield value


WRITERS = {
    type(None): lambda writer, value: writer.parts.append(u32(0)),
    bool: lambda writer, value: writer.parts.append(u32(1) + (b"\1" if value else b"\0")),
    int: Writer.int,
    float: lambda writer, value: writer.parts.append(tagged_f64(4, value)),
    str: lambda writer, value: writer.parts.append(u32(5) + text(value)),
    list: lambda writer, value: writer.nested(7, value, len(value)),
    tuple: lambda writer, value: writer.nested(7, value, len(value)),
    set: lambda writer, value: writer.nested(7, value, len(value)),
    frozenset: lambda writer, value: writer.nested(7, value, len(value)),
    dict: lambda writer, value: writer.nested(8, pairs(value.items()), len(value)),
}
for binary in (bytes, bytearray, memoryview):
    WRITERS[binary] = lambda writer, value: (writer.parts.append(u32(6)), writer.data(bytes_of(value)))

NUMPY = {"|i1": 0, "|u1": 1, "<i2": 3, "<u2": 4, "<i4": 5, "<u4": 6, "<i8": 7, "<u8": 8, "<f4": 9, "<f8": 10}
ARRAYS = {"b": 0, "B": 1, "h": 3, "H": 4, "i": 5, "I": 6, "l": 7, "L": 8, "q": 7, "Q": 8, "f": 9, "d": 10}


def bytes_of(value):
    return value.tobytes() if isinstance(value, memoryview) and not value.c_contiguous else value


def contiguous(array):
    return array.reshape(-1) if array.flags.c_contiguous else array.flatten()


def writer_of(value):
    """How something is carried whose type is none of the usual: as what it is like, or as a handle."""
    numpy, array, datetime = (sys.modules.get(name) for name in ("numpy", "array", "datetime"))
    if numpy is not None and isinstance(value, numpy.ndarray):
        return Writer.numpy
    if numpy is not None and isinstance(value, (numpy.bool_, numpy.integer, numpy.floating)):
        return lambda writer, value: writer.value(value.item())
    if array is not None and isinstance(value, array.array) and value.typecode in ARRAYS:
        return lambda writer, value: writer.array(ARRAYS[value.typecode], value)
    if datetime is not None and isinstance(value, datetime.datetime):
        return lambda writer, value: writer.parts.append(tagged_f64(10, value.timestamp() * 1000))
    return Writer.handle


def shown(value):
    """The value as Python prints it."""
    try:
        shown = repr(value) if small(value) else brief(value)
    except Exception as error:
        shown = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "…"


def small(value):
    return not isinstance(value, (str, bytes, bytearray, list, tuple, dict, set, frozenset)) or len(value) <= 1000


def brief(value):
    import reprlib
    return reprlib.repr(value)


# Output

class Stream:
    """Writes to a pipe on behalf of whoever prints, who is told to the host before the bytes are there."""

    encoding, errors, newlines = "utf-8", "backslashreplace", None
    closed, line_buffering, mode = False, True, "w"

    def __init__(self, name, descriptor, number):
        self.name, self.descriptor, self.number = name, descriptor, number
        self.position, self.by, self.waiting, self.waiting_for = 0, None, [], None
        self.lock = _thread.RLock()
        self.buffer = Binary(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self.lock:
            self.put(text.encode(self.encoding, self.errors))
        return len(text)

    def put(self, data):
        printing = by()
        if self.waiting_for != printing:
            self.flush()
            self.waiting_for = printing
        self.waiting.append(data)
        if b"\n" in data or len(self.waiting) > 100:
            self.flush()

    def flush(self):
        with self.lock:
            data, self.waiting = b"".join(self.waiting), []
            if not data:
                return
            if self.waiting_for != self.by and not forked:
                self.by = self.waiting_for
                control.send(PRINTING, self.by, u32(self.number) + u64(self.position))
            self.position += len(data)
            write_all(self.descriptor, data)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def fileno(self):
        return self.descriptor

    def isatty(self):
        return False

    def readable(self):
        return False

    def writable(self):
        return True

    def seekable(self):
        return False

    def close(self):
        self.flush()

    def reconfigure(self, **_):
        self.flush()


class Binary:
    """The same for bytes."""

    closed, mode = False, "wb"

    def __init__(self, stream):
        self.stream, self.name, self.raw = stream, stream.name, self

    def write(self, data):
        data = bytes(data)
        with self.stream.lock:
            self.stream.put(data)
        return len(data)

    def flush(self):
        self.stream.flush()

    def fileno(self):
        return self.stream.descriptor

    def isatty(self):
        return False

    def writable(self):
        return True


# Evaluations

# Which evaluation runs in the main thread now, 0 for none; which task it is in the event loop; which thread has which.
current = 0
in_task = ContextVar("oast_evaluation", default=0)
threads = {}
MAIN = _thread.get_ident()


def by():
    """On whose behalf this thread prints."""
    if _thread.get_ident() == MAIN:
        return current or in_task.get()
    return threads.get(_thread.get_ident(), 0)


def remember_threads():
    """What a thread prints is on behalf of the evaluation that started it."""
    start = _thread.start_new_thread

    def start_new_thread(function, arguments, keywords={}):
        cause = by()

        def run(*arguments, **keywords):
            threads[_thread.get_ident()] = cause
            try:
                return function(*arguments, **keywords)
            finally:
                threads.pop(_thread.get_ident(), None)

        return start(run, arguments, keywords)

    _thread.start_new_thread = _thread.start_new = start_new_thread
    return start


def is_interrupted(id):
    return id != 0 and page[8 + id % 504] == id


def on_signal(*_):
    """A frame has come, or somebody insists. Raises where it is the running evaluation that is to end."""
    id = current or in_task.get()
    if is_interrupted(id):
        if id not in insisting:
            insisting.add(id)
            start_thread(insist, (id,))
        raise KeyboardInterrupt


def on_sigint(*_):
    """Somebody else's interrupt: it is for what runs, if anything does."""
    if current or in_task.get():
        raise KeyboardInterrupt


insisting = set()


def insist(id):
    """Code may catch what is raised, and go on."""
    while id in insisting:
        time.sleep(0.5)
        if id in insisting:
            signal.pthread_kill(MAIN, SIGNAL)


def attend(is_running):
    """Whether a signal is sent for what comes."""
    flags = os.O_ASYNC if is_running else 0
    fcntl.fcntl(CONTROL, fcntl.F_SETFL, flags)


def evaluate(id, body):
    """Starts an evaluation, and replies when it has ended."""
    if is_interrupted(id):
        return reply(id, u32(4))
    if body.take("I") != 0:
        return reply(id, u32(3))
    source, name, is_program = body.text(), body.text(), body.take("?")
    arguments = [body.text() for _ in range(body.take("Q"))]
    began = Began(id, body.take("?"))
    page[0] = id
    try:
        run = compiled(source, name, is_program)
        sys.argv[:] = [name or "", *arguments]
        if is_program:
            became_program(name)
    except BaseException as error:
        return began.failed(error)
    began.step(run)


class Began:
    """An evaluation that has begun."""

    def __init__(self, id, fetch):
        self.id, self.fetch = id, fetch
        self.wall, self.cpu, self.task = time.monotonic(), time.process_time(), None

    def step(self, run):
        """Runs what needs nothing awaited; whatever does becomes a task."""
        global current
        value = awaited = None
        attend(True)
        try:
            try:
                current = self.id
                if is_interrupted(self.id):
                    raise KeyboardInterrupt
                for at, code in enumerate(run):
                    value = eval(code, main.__dict__)
                    if code.co_flags & 0x80 and hasattr(value, "cr_await"):
                        awaited = rest(value, run[at + 1:])
                        break
            finally:
                current = 0
        except BaseException as error:
            current = 0
            attend(False)
            return self.failed(error)
        attend(False)
        if awaited is None:
            return self.returned(value)
        begin_task(self, awaited)

    def returned(self, value):
        insisting.discard(self.id)
        if not self.fetch:
            return self.reply(u32(0) + u32(0), "")
        global current
        attend(True)
        try:
            try:
                current = self.id
                writer = Writer()
                writer.value(value)
                shown_as = shown(value)
            finally:
                current = 0
        except BaseException as error:
            current = 0
            attend(False)
            return self.failed(error)
        attend(False)
        if value is not None:
            main.__dict__["_"] = value
        try:
            self.reply(u32(0) + b"".join(writer.parts), shown_as, writer.payload)
        except Refused as error:
            self.failed(error)

    def failed(self, error):
        insisting.discard(self.id)
        if is_interrupted(self.id) and isinstance(error, (KeyboardInterrupt, cancelled())):
            return self.reply(u32(2), None)
        if isinstance(error, SystemExit) and not error.code:
            return self.reply(u32(0) + u32(0), "")
        kind, message = raised(error)
        self.reply(u32(1) + text(kind) + text(message) + text(traceback_of(error)), None)

    def reply(self, result, shown_as, payload=()):
        usage = duration(time.monotonic() - self.wall) + duration(time.process_time() - self.cpu) + b"\0"
        reply(self.id, result, shown_as, usage, payload)


def duration(seconds):
    nanoseconds = max(0, int(seconds * 1e9))
    return u64(nanoseconds // 10**9) + u32(nanoseconds % 10**9)


def reply(id, result, shown_as=None, usage=bytes(25), payload=()):
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in streams:
        stream.flush()
    shown_as = b"\0" if shown_as is None else b"\1" + text(shown_as)
    body = b"".join((result, shown_as, usage, u64(streams[0].position), u64(streams[1].position)))
    control.send(REPLIED, id, body, payload)


def compiled(source, name, is_program):
    """The code of a cell, whose last expression is its value; or of a program, which has none."""
    if not name:
        Sources.count += 1
        name = f"{CELL} {Sources.count}"
    Sources.keep(name, source)
    flags = 0x2000  # `ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`
    tree = compile(source, name, "exec", 0x400 | flags, True)  # `ast.PyCF_ONLY_AST`
    last = tree.body[-1] if tree.body else None
    if is_program or not isinstance(last, _ast.Expr):
        return [compile(tree, name, "exec", flags, True)]
    del tree.body[-1]
    value = compile(_ast.Expression(last.value), name, "eval", flags, True)
    return [compile(tree, name, "exec", flags, True), value] if tree.body else [value]


async def rest(value, run):
    """What is left of a cell, from something to be awaited on."""
    value = await value
    for code in run:
        value = eval(code, main.__dict__)
        if code.co_flags & 0x80 and hasattr(value, "cr_await"):
            value = await value
    return value


class Sources:
    """The texts of cells, for whoever shows a line of them."""

    count = 0
    texts = {}

    @classmethod
    def keep(cls, name, source):
        cls.texts.pop(name, None)
        cls.texts[name] = source
        if len(cls.texts) > 1000:
            dropped = next(iter(cls.texts))
            del cls.texts[dropped]
            if "linecache" in sys.modules:
                sys.modules["linecache"].cache.pop(dropped, None)

    @classmethod
    def show(cls):
        import linecache
        for name, source in cls.texts.items():
            linecache.cache[name] = (len(source), None, source.splitlines(True), name)


def raised(error):
    kind = type(error)
    name = kind.__qualname__
    try:
        message = str(error)
    except Exception:
        message = "an error that cannot say what it is"
    return (name if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{name}"), message


def traceback_of(error):
    try:
        import traceback
        Sources.show()
        hide_shim(error, set())
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception as problem:
        return f"{type(error).__name__}: its traceback cannot be shown, for {type(problem).__name__}: {problem}\n"


def hide_shim(error, seen):
    """Nobody is helped by the frames that led to their code."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == SHIM:
        frames = frames.tb_next
    error.__traceback__ = frames
    hide_shim(error.__cause__, seen)
    hide_shim(error.__context__, seen)


def became_program(path):
    main.__dict__["__file__"] = path
    folder = os.path.dirname(path)
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)


# The event loop

loop = None
tasks = {}
is_readable = False


def event_loop():
    global loop
    if loop is None:
        import asyncio
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.add_reader(CONTROL, something_came)
    return loop


def cancelled():
    asyncio = sys.modules.get("asyncio")
    return asyncio.CancelledError if asyncio else KeyboardInterrupt


def something_came():
    global is_readable
    is_readable = True
    loop.stop()


def begin_task(began, awaited):
    token = in_task.set(began.id)
    began.task = event_loop().create_task(awaited)
    in_task.reset(token)
    tasks[began.id] = began
    began.task.add_done_callback(lambda task: end_task(began, task))
    loop.call_soon(loop.stop)
    run_loop()
    if began.id in tasks:
        control.send(SUSPENDED, began.id, b"")


def end_task(began, task):
    del tasks[began.id]
    try:
        value = task.result()
    except BaseException as error:
        return began.failed(error)
    began.returned(value)


def run_loop():
    """Runs the event loop until it is stopped."""
    attend(True)
    try:
        loop.run_forever()
    except (KeyboardInterrupt, SystemExit):
        # It was raised in a task, which has ended with it: the loop is to tell.
        loop.call_soon(loop.stop)
        loop.run_forever()
    attend(False)


def has_tasks():
    # An evaluation whose task is done has ended when the loop has told.
    return bool(tasks) or loop is not None and bool(sys.modules["asyncio"].all_tasks(loop))


def wait_for_frames():
    """Waits until a frame has come, or a task has ended."""
    global is_readable
    if has_tasks() and not is_readable:
        loop.call_soon(stop_when_done)
        run_loop()
        if not is_readable:
            return
    is_readable = False
    control.read()


def stop_when_done():
    """Stops the loop when nothing is left for it to do."""
    waiting = sys.modules["asyncio"].all_tasks(loop)
    if not waiting:
        loop.call_soon(loop.stop)
    for task in waiting:
        task.remove_done_callback(a_task_is_done)
        task.add_done_callback(a_task_is_done)


def a_task_is_done(_):
    loop.call_soon(loop.stop)


# Channels

class End:
    """This end of a channel."""

    def __init__(self, room):
        self.inbox, self.room, self.closed = [], room, False


ends = {}
closed_early = set()
# Frames that came while somebody waited for a channel.
later = []


class Channel:
    """Values to and from the caller, who opens it by its name. Two things wait: `put` for room, and `take` for a value."""

    def __init__(self, name):
        self.name = str(name)

    def __repr__(self):
        return f"channel({self.name!r})"

    @property
    def is_open(self):
        end = ends.get(self.name)
        return not end.closed if end else self.name not in closed_early

    def put(self, value):
        writer = Writer()
        writer.value(value)
        while True:
            end = self.end()
            if end is not None and end.closed:
                raise ChannelClosed(self.name)
            if end is not None and end.room > 0:
                break
            wait_for_channel()
        end.room -= 1
        self.say(PUT, b"".join(writer.parts), writer.payload)

    def take(self):
        while True:
            found, value = self.look()
            if found:
                return value
            wait_for_channel()

    def try_take(self, default=None):
        found, value = self.look()
        return value if found else default

    def look(self):
        end = self.end()
        if end is not None and end.inbox:
            value = end.inbox.pop(0)
            self.say(TAKEN, u32(1))
            return True, value
        if end is not None and end.closed:
            raise ChannelClosed(self.name)
        return False, None

    def close(self):
        if self.is_open:
            if self.name in ends:
                ends[self.name].closed = True
            else:
                closed_early.add(self.name)
            self.say(CLOSE, b"")

    def __iter__(self):
        try:
            while True:
                yield self.take()
        except ChannelClosed:
            return

    def end(self):
        if self.name in closed_early:
            raise ChannelClosed(self.name)
        while read_if_there():
            pass
        return ends.get(self.name)

    def say(self, what, body, payload=()):
        control.send(CHANNEL_FROM_WORKER, 0, text(self.name) + u32(what) + body, payload)


def wait_for_channel():
    """Waits for the next frame, in the midst of an evaluation; a signal ends the wait."""
    control.read()
    sort_frames()


def read_if_there():
    import select
    if not select.select([CONTROL], [], [], 0)[0]:
        return False
    control.read()
    sort_frames()
    return True


def sort_frames():
    """Channel messages are for now, and all else for later."""
    while True:
        frame = control.next()
        if frame is None:
            return
        if frame[0] == CHANNEL_TO_WORKER:
            hear_channel(frame[2])
        else:
            later.append(frame)


def hear_channel(body):
    name, what = body.text(), body.take("I")
    if what == OPEN:
        closed_early.discard(name)
        ends[name] = End(body.take("I"))
        return
    end = ends.get(name)
    if end is None:
        return
    if what == PUT:
        end.inbox.append(body.value())
    elif what == TAKEN:
        end.room += body.take("I")
    else:
        end.closed = True


# From the first frame to the last

def reset():
    for began in list(tasks.values()):
        began.task.cancel()
    if tasks:
        loop.call_soon(loop.stop)
        run_loop()
    for began in list(tasks.values()):
        del tasks[began.id]
        began.reply(u32(2), None)
    ends.clear()
    closed_early.clear()
    become_main()
    control.send(RESET_DONE, 0, b"")


def become_main():
    """A fresh `__main__` for the code, which is not this file."""
    global main
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main


def interrupt(id):
    if id in tasks:
        tasks[id].task.cancel()


def after_fork():
    """A child of this process is nobody's worker."""
    global forked
    forked = True
    os.close(CONTROL)


def serve():
    is_leaving = False
    while not (is_leaving and not tasks):
        frame = later.pop(0) if later else control.next()
        if frame is None:
            wait_for_frames()
            continue
        kind, id, body = frame
        if kind == EVALUATE:
            evaluate(id, body)
        elif kind == INTERRUPT:
            interrupt(id)
        elif kind == CHANNEL_TO_WORKER:
            hear_channel(body)
        elif kind == RESET:
            reset()
        elif kind == SHUTDOWN:
            is_leaving = True
        else:
            leave()


forked = False
page = memoryview(mmap.mmap(PAGE, 1 << 15)).cast("Q")
os.close(PAGE)
if SHIM.startswith("/proc/self/fd/"):
    os.close(int(os.path.basename(SHIM)))
os.set_inheritable(CONTROL, False)
control = Control()
streams = [Stream("<stdout>", 1, STDOUT), Stream("<stderr>", 2, STDERR)]
sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = streams
start_thread = remember_threads()
oast = ModuleType("oast", "What a worker process does for its code.")
oast.channel, oast.ChannelClosed = Channel, ChannelClosed
sys.modules["oast"] = oast
sys.argv[:] = [""]
sys.path[0] = ""
become_main()
signal.signal(SIGNAL, on_signal)
signal.signal(signal.SIGINT, on_sigint)
# To this thread, whichever is in the way: `F_SETOWN_EX` with `F_OWNER_TID`.
fcntl.fcntl(CONTROL, 15, struct.pack("ii", 0, _thread.get_native_id()))
# This signal rather than one that ends whoever does not know it: `F_SETSIG`.
fcntl.fcntl(CONTROL, 10, SIGNAL)
os.register_at_fork(after_in_child=after_fork)
# It interleaves, can be interrupted and reset, evaluates, and calls no functions; so many evaluations it takes ahead.
control.send(HELLO, 0, text("python") + b"\1\1\1\1\0" + u32(64) + bytes(40))
serve()
# What the code has registered runs, as at the end of any program.
