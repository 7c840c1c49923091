# What the code prints, and on whose behalf.

class Written:
    """What is the same for text and for bytes."""

    def fileno(self):
        return self.descriptor

    def writable(self):
        return True

    def close(self):
        self.flush()


class Stream(Written, io.TextIOBase):
    """Writes to a pipe on behalf of whoever prints, who is told to the host before the bytes are there."""

    encoding, errors, newlines = "utf-8", "backslashreplace", None
    line_buffering, mode = True, "w"

    def __init__(self, name, descriptor, number):
        self.name, self.descriptor, self.number = name, descriptor, number
        self.position, self.by, self.waiting, self.waiting_for = 0, None, [], None
        self.lock = _thread.RLock()
        self.buffer = Binary(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with held, self.lock:
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
        with held, self.lock:
            data, self.waiting = b"".join(self.waiting), []
            if not data:
                return
            if self.waiting_for != self.by and CONTROL != -1:
                self.by = self.waiting_for
                control.send(PRINTING, self.by, u32(self.number) + u64(self.position))
            self.position += len(data)
            write_all(self.descriptor, data)

    def reconfigure(self, **_):
        self.flush()


class Binary(Written, io.BufferedIOBase):
    """The same for bytes."""

    mode = "wb"

    def __init__(self, stream):
        self.stream, self.name, self.descriptor = stream, stream.name, stream.descriptor

    def write(self, data):
        data = bytes(data)
        with held, self.stream.lock:
            self.stream.put(data)
        return len(data)

    def flush(self):
        self.stream.flush()
