# One evaluation after another, up to where it has to wait.

# Which evaluation runs in the main thread now, 0 for none; which task it is in the event loop; which thread has which.
current = 0
in_task = ContextVar("oast_evaluation", default=0)
threads = {}


def running():
    """Which evaluation runs in the main thread."""
    return in_task.get() or current


def by():
    """On whose behalf this thread prints."""
    if _thread.get_ident() == MAIN:
        return running()
    return threads.get(_thread.get_ident(), 0)


def remember_threads():
    """What a thread prints is on behalf of the evaluation that started it. Gives the way to start one that is nobody's."""
    plainly = _thread.start_new_thread
    # The second is what `threading` has used since Python 3.13. It may have taken either already.
    for name in ("start_new_thread", "start_joinable_thread"):
        if hasattr(_thread, name):
            remembered = remembering(getattr(_thread, name))
            for module, known_as in ((_thread, name), (sys.modules.get("threading"), "_" + name)):
                if hasattr(module, known_as):
                    setattr(module, known_as, remembered)
    return plainly


def remembering(start):
    def start_remembered(function, *arguments, **named):
        cause = by()

        def run(*arguments, **named):
            threads[_thread.get_ident()] = cause
            try:
                return function(*arguments, **named)
            finally:
                threads.pop(_thread.get_ident(), None)

        return start(run, *arguments, **named)

    return start_remembered


def is_interrupted(id):
    return id != 0 and page[8 + id % 504] == id


def on_signal(*_):
    """A frame has come, or somebody insists. Raises where it is the running evaluation that is to end."""
    id = running()
    if not is_interrupted(id):
        # One that waits may be about to go on, for a long time.
        for waiting in list(tasks):
            if is_interrupted(waiting):
                insist_on(waiting)
        return
    insist_on(id)
    if Held.depth == 0:
        raise KeyboardInterrupt


def on_sigint(*_):
    """Somebody else's interrupt: it is for what runs, if anything does."""
    if running() and Held.depth == 0:
        raise KeyboardInterrupt


insisting = set()


def insist_on(id):
    """Code may catch what is raised, and go on."""
    if id in insisting:
        return
    insisting.add(id)
    try:
        start_thread(insist, (id,))
    except Exception:
        # There may be no room for a thread. Then it is raised once.
        insisting.discard(id)


def insist(id):
    while id in insisting:
        time.sleep(0.5)
        if id in insisting:
            signal.pthread_kill(MAIN, SIGNAL)


attending = False


def attend(is_running):
    """Whether a signal is sent for what comes. Tells whether one was before."""
    global attending
    before, attending = attending, is_running
    if before != is_running:
        fcntl.fcntl(CONTROL, fcntl.F_SETFL, os.O_ASYNC if is_running else 0)
    return before


def evaluate(id, body):
    """Starts an evaluation, and replies when it has ended."""
    if is_interrupted(id):
        return reply(id, u32(4))
    if body.take("I") != 0:
        return reply(id, u32(3))
    source, name, is_program = body.text(), body.text(), body.take("?")
    arguments = [body.text() for _ in range(body.take("Q"))]
    began = Began(id, body.take("?"), is_program)
    page[0] = id
    global current
    try:
        # What the compiler warns of is printed on its behalf.
        current = id
        run = compiled(source, name, is_program)
        sys.argv = [name or "", *arguments]
        if is_program:
            became_program(name)
    except BaseException as error:
        current = 0
        return began.failed(error)
    current = 0
    began.step(run)


class Began:
    """An evaluation that has begun."""

    def __init__(self, id, fetch, is_program):
        self.id, self.fetch, self.is_program = id, fetch, is_program
        self.wall, self.cpu, self.task = time.monotonic(), time.process_time(), None

    def step(self, run):
        """Runs what needs nothing awaited; what does becomes a task, wholly."""
        for code in run:
            if code.co_flags & AWAITS:
                return begin_task(self, awaiting(run))
        self.end(lambda: execute(run, self.is_program))

    def end(self, result):
        """Replies with what comes out of this, which can be interrupted."""
        global current
        before, outer = attend(True), current
        try:
            try:
                current = self.id
                if is_interrupted(self.id):
                    raise KeyboardInterrupt
                value = result()
                carried, shown_as, payload = self.carried(value)
            finally:
                current = outer
        except BaseException as error:
            current = outer
            attend(before)
            leave_if_forked(error)
            return self.failed(error)
        attend(before)
        leave_if_forked(None)
        try:
            self.reply(carried, shown_as, payload)
        except Refused as error:
            self.failed(error)

    def carried(self, value):
        """The value as it travels, and as Python prints it."""
        # Where Python prints nothing, nothing is shown.
        if not self.fetch or value is None:
            return NOTHING, "", ()
        main.__dict__["_"] = value
        body, payload = carried(value)
        return u32(0) + body, shown(value), payload

    def failed(self, error):
        if is_interrupted(self.id) and isinstance(error, (KeyboardInterrupt, cancelled())):
            return self.reply(u32(2), None)
        if isinstance(error, SystemExit) and (error.code is None or type(error.code) is int and error.code == 0):
            return self.reply(NOTHING, "")
        if self.is_program and isinstance(error, SystemExit):
            leave_with(error.code)
        try:
            kind, message = raised(error)
            trace = traceback_of(error)
        except BaseException as problem:
            kind, message, trace = type(error).__name__, f"it cannot be told: {type(problem).__name__}", ""
        # Both ends of a long text are kept: what it says first, and where it came from.
        most = min(LONGEST_TEXT, LIMIT // 64)
        self.reply(u32(1) + text(kind[:most]) + text(message[:most]) + text(trace[-most:]), None)

    def reply(self, result, shown_as, payload=()):
        insisting.discard(self.id)
        usage = pack_usage(*duration(time.monotonic() - self.wall), *duration(time.process_time() - self.cpu), 0)
        reply(self.id, result, shown_as, usage, payload)


def flush():
    """Also what the code has put in the place of a stream."""
    for stream in streams:
        try:
            if stream.waiting:
                stream.flush()
        except OSError:
            # The code has closed it.
            stream.waiting = []
        # The host forgets who printed last when an evaluation has ended.
        stream.by = None
    for name in ("stdout", "stderr"):
        try:
            stream = getattr(sys, name, None)
            if stream is not None and stream is not streams[0] and stream is not streams[1]:
                stream.flush()
        except Exception:
            pass


# The result of what has no value.
NOTHING = u32(0) + u32(0)


def execute(run, is_program):
    value = None
    for code in run:
        value = eval(code, main.__dict__)
    if is_program:
        join_threads()
    return value


pack_usage = struct.Struct("<QIQIB").pack
pack_ends = struct.Struct("<QQ").pack


def duration(seconds):
    nanoseconds = max(0, int(seconds * 1e9))
    return divmod(nanoseconds, 10**9)


def reply(id, result, shown_as=None, usage=bytes(25), payload=()):
    flush()
    shown_as = b"\0" if shown_as is None else b"\1" + text(shown_as)
    body = b"".join((result, shown_as, usage, pack_ends(streams[0].position, streams[1].position)))
    control.send(REPLIED, id, body, payload)


# `inspect.CO_COROUTINE`, `ast.PyCF_ALLOW_TOP_LEVEL_AWAIT` and `ast.PyCF_ONLY_AST`.
AWAITS, FLAGS, ONLY_TREE = 0x80, 0x2000, 0x400


def compiled(source, name, is_program):
    """The code of a cell, whose last expression is its value; or of a program, which has none."""
    if not name:
        Sources.count += 1
        name = f"{CELL} {Sources.count}"
    Sources.keep(name, source)
    if not is_program:
        try:
            # Most cells are one expression.
            return [compile(source, name, "eval", FLAGS, True)]
        except (SyntaxError, ValueError):
            pass
    tree = compile(source, name, "exec", FLAGS | ONLY_TREE, True)
    last = tree.body[-1] if tree.body else None
    if is_program or not isinstance(last, _ast.Expr):
        return [compile(tree, name, "exec", FLAGS, True)]
    del tree.body[-1]
    value = compile(_ast.Expression(last.value), name, "eval", FLAGS, True)
    return [compile(tree, name, "exec", FLAGS, True), value] if tree.body else [value]


async def awaiting(run):
    if is_interrupted(running()):
        raise KeyboardInterrupt
    value = None
    for code in run:
        value = eval(code, main.__dict__)
        if code.co_flags & AWAITS:
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
        linecache = library("linecache")
        for name, source in cls.texts.items():
            # Whoever marks a part of a line counts on its end.
            linecache.cache[name] = (len(source), None, [line + "\n" for line in source.splitlines()], name)


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
        traceback = library("traceback")
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


def leave_with(code):
    """A program has ended its process: with a number, or with a last word."""
    if type(code) is not int:
        streams[1].write(f"{code}\n")
        code = 1
    flush()
    os._exit(code & 0xff)


def join_threads():
    """A program has ended when its threads have."""
    threading = sys.modules.get("threading")
    for thread in threading.enumerate() if threading else ():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()


def became_program(path):
    main.__dict__["__file__"] = path
    folder = os.path.dirname(path)
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
