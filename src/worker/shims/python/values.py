# What frames are made of: bodies, and values in them.

class Body:
    """Reads the parts of a body, and of the payload behind it."""

    def __init__(self, frame, length):
        self.frame, self.at, self.payload = frame, 0, length

    def take(self, layout):
        unpack, length = UNPACK[layout]
        value, = unpack(self.frame, self.at)
        self.at += length
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
        return Handle(self.text(), self.text())


class Handle:
    """What stayed where it was: all that is known of it here."""

    def __init__(self, kind, text):
        self.kind, self.text = kind, text

    def __repr__(self):
        return f"<{self.kind} elsewhere: {self.text}>"


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
    if isinstance(key, dict):
        return frozenset((frozen(name), frozen(value)) for name, value in key.items())
    return key if key.__hash__ else bytes(key)


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
    is_container = isinstance(value, (str, bytes, bytearray, list, tuple, dict, set, frozenset)) or hasattr(value, "typecode")
    return not is_container or len(value) <= 1000


def brief(value):
    import reprlib
    return reprlib.repr(value)
