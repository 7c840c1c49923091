# A template: imports modules once, and forks a process whenever its host asks for one. It runs nobody's code.
#
#     template ── guard      the host's child; executes the host's program, and is a guard like any other then
#                 └── opener ──┬── init       where there is a namespace of processes, and without it, the opener is the worker
#                     (leaves) └── worker

FORK, RETIRE, WARM, FORKED, FAILED = 18, 20, 51, 52, 50
CLONE_PARENT = 0x8000
# What libraries for numbers take for how many threads they are to have.
THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"
SET_DEATH_SIGNAL, SET_DUMPABLE, SET_NAME, SET_SUBREAPER = 1, 4, 15, 36


def serve_as_template(steps, program, modules):
    """Returns in each process that is forked: the descriptors of its channel and its page, and the longest frame."""
    # What its forks need is imported here, once for all.
    import ctypes, gc, json, random, socket
    import_alone(modules)
    with open(steps, "rb") as file:
        plan = json.loads(file.read())
    name_process(b"oast-template")
    host = socket.socket(fileno=0)
    because = what_forks_would_not_be_rid_of(program)
    if because:
        tell_host(FAILED, text("fork") + u32(0) + text(f"the modules that it imports {because}"))
        os._exit(1)
    gc.collect()
    gc.freeze()
    tell_host(WARM, b"")
    while True:
        kind, descriptors = hear_host(host)
        if kind != FORK:
            os._exit(0)
        pid = c_library().syscall(56 if os.uname().machine == "x86_64" else 220, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
        if pid == 0:
            host.detach()
            return be_forked(plan, program, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        tell_host(FORKED, u32(pid)) if pid > 0 else tell_host(FAILED, text("fork") + u32(ctypes.get_errno()) + text(""))


def import_alone(modules):
    """Libraries for numbers start threads when they are loaded, which no fork has. They are asked for one."""
    asked = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(asked, "1"))
    for module in modules:
        __import__(module)
    for name in asked:
        del os.environ[name]


def what_forks_would_not_be_rid_of(program):
    threads = len(os.listdir("/proc/self/task")) - 1
    if threads:
        return f"have started {threads} threads, which no fork has"
    known = {0, 1, 2, program}
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number not in known:
                return f"hold {os.readlink(f'/proc/self/fd/{number}')} open, which forks would have, however they are confined"
        except OSError:
            # The one that listed them.
            pass
    return None


def hear_host(host):
    header, descriptors = receive(host, prefix.size)
    return (prefix.unpack(header)[2] if len(header) == prefix.size else None), descriptors


def receive(socket_, length):
    """So many bytes, or fewer at the end, and the descriptors that come along: three at most."""
    import socket
    received, ancillary, _, _ = socket_.recvmsg(length, socket.CMSG_SPACE(3 * 4), socket.MSG_WAITALL)
    descriptors = array.array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    return received, descriptors


def tell_host(kind, body):
    write_all(0, framed(kind, 0, body))


def be_forked(plan, program, descriptors):
    """Becomes the guard, and what it guards. This process was forked behind the C library's back, and forks once more."""
    import socket
    for place, descriptor in enumerate(descriptors):
        os.dup2(descriptor, place)
        os.close(descriptor)
    os.setpgid(0, 0)
    control_process(SET_SUBREAPER, 1)
    ours, theirs = socket.socketpair()
    guard, opener = os.getpid(), os.fork()
    if opener:
        theirs.close()
        environment = {**os.environ, "OAST_WORKER": f"guard:{ours.fileno()}:{opener}"}
        os.set_inheritable(ours.fileno(), True)
        os.set_inheritable(program, False)
        os.execve(program, ["oast-guard"], environment)
    ours.close()
    os.close(program)
    # The lifeline is the guard's alone.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return be_opener(plan, theirs, guard)


def be_opener(plan, guard, guard_pid):
    import json
    adopted, (control, page, life) = hear_guard(guard)
    lacking = set()
    try:
        carry_out(adopted["join"] + plan["enter"], lacking)
    except OSError as error:
        guard.sendall(json.dumps({"failed": {"step": error.strerror, "errno": error.errno}}).encode())
        os._exit(1)
    if not plan["has_processes"] or "namespaces" in lacking:
        guard.sendall(b'"alone"')
    else:
        # Whoever is of the same user could otherwise look into init.
        control_process(SET_DUMPABLE, 0)
        init = os.fork()
        if init == 0:
            try:
                be_init(life)
            finally:
                os._exit(0)
        worker = os.fork()
        if worker:
            guard.sendall(json.dumps({"born": {"worker": worker, "init": init}}).encode())
            os._exit(0)
        control_process(SET_DUMPABLE, 1)
        guard_pid = None
    guard.close()
    os.close(life)
    confine(plan, lacking, guard_pid)
    reseed()
    return control, page, adopted["limit"]


def confine(plan, lacking, guard):
    try:
        carry_out(plan["confine"], lacking)
        if guard is not None:
            # Last: who becomes another user is tied to nobody any more.
            control_process(SET_DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != guard:
                raise OSError(0, "tie to the guard")
    except OSError as error:
        os.write(2, f"failed to {error.strerror}: {os.strerror(error.errno)}\n".encode())
        os._exit(1)
    name_process(b"oast-worker")


def hear_guard(guard):
    import json
    header, descriptors = receive(guard, 4)
    if len(header) < 4:
        os._exit(0)
    length, = struct.unpack("<I", header)
    said = bytearray()
    while len(said) < length:
        said += guard.recv(length - len(said)) or os._exit(0)
    return json.loads(said), descriptors


def be_init(life):
    """Keeps a namespace for as long as its guard lives, and collects orphans. Holds nothing, and runs nobody's code."""
    name_process(b"oast-init")
    # The kernel keeps the first process of a namespace from signals that it does not handle.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.dup2(life, 0)
    os.closerange(1, 1 << 16)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while 0 not in select.select([0, woken], [], [])[0]:
        try:
            os.read(woken, 1024)
            # Waited for, so that the processor time of orphans is in somebody's account.
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            pass


def reseed():
    """What was random in the template is not to be the same in each of its forks. `random` sees to it by itself."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def name_process(name):
    import ctypes
    control_process(SET_NAME, ctypes.create_string_buffer(name))


def control_process(what, argument):
    import ctypes
    if isinstance(argument, int):
        argument = ctypes.c_ulong(argument)
    none = ctypes.c_ulong(0)
    c_library().prctl(what, argument, none, none, none)
