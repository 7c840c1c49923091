# From the first frame to the last.

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
    """A child of this process is nobody's worker, and has none of its threads."""
    global CONTROL
    os.close(CONTROL)
    CONTROL = -1
    control.writing = _thread.allocate_lock()
    for stream in streams:
        stream.lock, stream.waiting = _thread.RLock(), []


def leave_if_forked(error):
    """A child that comes to the end of the code ends with it."""
    if CONTROL == -1:
        if error is not None:
            os.write(2, traceback_of(error).encode("utf-8", "replace"))
        for stream in streams:
            stream.flush()
        os._exit(0 if error is None else 1)


def serve():
    is_leaving = False
    while not (is_leaving and not tasks):
        frame = later.pop(0) if later else control.next()
        if frame is None:
            try:
                wait_for_frames()
            except OSError:
                # The code has closed the channel.
                leave()
            except BaseException:
                # A signal of the code's own, or what a task has left in the loop: nobody's by now.
                pass
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


def begin(control_channel, shared_page, limit):
    """Opens the channel of this process, and takes the place of what is Python's own."""
    global CONTROL, LIMIT, page, control, streams, start_thread
    CONTROL, LIMIT = control_channel, limit
    page = memoryview(mmap.mmap(shared_page, 1 << 15)).cast("Q")
    os.close(shared_page)
    os.set_inheritable(CONTROL, False)
    control = Control()
    streams = [Stream("<stdout>", 1, STDOUT), Stream("<stderr>", 2, STDERR)]
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = streams
    start_thread = remember_threads()
    oast = ModuleType("oast", "What a worker process does for its code.")
    oast.channel, oast.ChannelClosed = Channel, ChannelClosed
    sys.modules["oast"] = oast
    sys.argv = [""]
    become_main()
    listen_for_frames()
    os.register_at_fork(after_in_child=after_fork)


def listen_for_frames():
    signal.signal(SIGNAL, on_signal)
    signal.signal(signal.SIGINT, on_sigint)
    # To this thread, whichever is in the way: `F_SETOWN_EX` with `F_OWNER_TID`.
    fcntl.fcntl(CONTROL, 15, struct.pack("ii", 0, _thread.get_native_id()))
    # This signal rather than one that ends whoever does not know it: `F_SETSIG`.
    fcntl.fcntl(CONTROL, 10, SIGNAL)


def main_program(role, first, second, *rest):
    let_go_of(SHIM)
    # Nothing is looked for where this file is, nor, until it is confined, where the process was started.
    del sys.path[0]
    channels = int(first), int(second)
    if role == "template":
        channels = serve_as_template(*channels, rest)
    else:
        channels += int(rest[0]),
    sys.path.insert(0, "")
    begin(*channels)
    # It interleaves, can be interrupted and reset, evaluates, and calls no functions; so many evaluations it takes ahead.
    control.send(HELLO, 0, text("python") + b"\1\1\1\1\0" + u32(64) + bytes(40))
    serve()


def let_go_of(shim):
    """Lets go of this file, which is a descriptor of this process."""
    if shim.startswith("/proc/self/fd/"):
        os.close(int(os.path.basename(shim)))


main_program(*sys.argv[1:])
# What the code has registered runs, as at the end of any program.
