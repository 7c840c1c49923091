# The system calls that confine a process, carried out one by one. What they are says `src/sandbox/steps.rs`.
import struct


def carry_out(steps, lacking):
    kept = {}
    for step in steps:
        if any(part in lacking for part in step["needs"]):
            continue
        if step["unless"] and not any(part in lacking for part in step["unless"]):
            continue
        result, errno = system_call(step["call"], kept)
        if step["keep"] is not None:
            kept[step["keep"]] = result
        if result >= 0:
            continue
        forgives = step["forgives"]
        if forgives is None or forgives["errors"] is not None and errno not in forgives["errors"]:
            raise OSError(errno, step["what"])
        if forgives["lacking"]:
            lacking.add(step["needs"][-1])


def system_call(call, kept):
    import ctypes
    arguments = [argument_of(argument, kept) for argument in call["arguments"]]
    result = c_library().syscall(ctypes.c_long(call["number"]), *(argument for argument, _ in arguments))
    return result, ctypes.get_errno() if result < 0 else 0


def argument_of(argument, kept):
    """What a system call takes, and what must live until it returns."""
    import ctypes
    (kind, value), = argument.items()
    if kind in ("number", "kept"):
        return ctypes.c_long(value if kind == "number" else kept.get(value, -1)), None
    inner = None
    if kind == "text":
        content = (value.encode() if isinstance(value, str) else bytes(value)) + b"\0"
    elif kind == "bytes":
        content = bytes(value)
    elif kind == "beneath":
        content = struct.pack("=Qi", value[0], kept.get(value[1], -1))
    else:
        inner = ctypes.create_string_buffer(bytes(value), len(value))
        content = struct.pack("@HP", len(value) // 8, ctypes.addressof(inner))
    buffer = ctypes.create_string_buffer(content, len(content))
    return buffer, (buffer, inner)


def c_library():
    """Loaded once: each step asks for it."""
    global loaded
    if loaded is None:
        import ctypes
        loaded = ctypes.CDLL(None, use_errno=True)
        loaded.syscall.restype = ctypes.c_long
    return loaded


loaded = None
