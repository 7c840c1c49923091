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
        return array.array("bBBhHiIqQfd"[self.take("I")], self.data())

    def date(self):
        """What is no date in Python stays a number of milliseconds."""
        date, milliseconds = library("datetime"), self.take("d")
        try:
            return date.datetime.fromtimestamp(milliseconds / 1000, date.timezone.utc)
        except (ValueError, OverflowError, OSError):
            return milliseconds

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
    lambda body: with_all_digits(int, body.text()),
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
    data = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
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

    def nested(self, number, items):
        self.depth += 1
        if self.depth >= MAX_DEPTH:
            raise Refused(f"it nests deeper than {MAX_DEPTH}, or is its own part")
        # A thread may add some meanwhile.
        items = list(items)
        self.parts.append(tagged_length(number, len(items) // 2 if number == 8 else len(items)))
        for item in items:
            self.value(item)
        self.depth -= 1

    def int(self, value):
        if value in INTS:
            self.parts.append(tagged_i64(2, value))
        else:
            self.parts.append(u32(3) + text(with_all_digits(str, value)))

    def array(self, element, data):
        self.parts.append(u32(9) + u32(element))
        self.data(data)

    def numpy(self, value):
        element = NUMPY.get(value.dtype.str)
        if element is None:
            return self.handle(value)
        if value.ndim == 1:
            return self.array(element, contiguous(value))
        self.parts.append(tagged_length(8, 2))
        self.value("shape")
        self.value(list(value.shape))
        self.value("data")
        self.array(element, contiguous(value))

    def handle(self, value):
        self.parts.append(u32(11) + u64(0) + text(type(value).__name__) + text(shown(value)))


def carried(value):
    """What a message has of a value: its body, and its payload."""
    writer = Writer()
    writer.value(value)
    return b"".join(writer.parts), writer.payload


def with_all_digits(convert, value):
    """A number from its digits, or the other way, however many there are."""
    limit = getattr(sys, "set_int_max_str_digits", None)
    if limit is None:
        return convert(value)
    before = sys.get_int_max_str_digits()
    limit(0)
    try:
        return convert(value)
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
    list: lambda writer, value: writer.nested(7, value),
    tuple: lambda writer, value: writer.nested(7, value),
    set: lambda writer, value: writer.nested(7, value),
    frozenset: lambda writer, value: writer.nested(7, value),
    dict: lambda writer, value: writer.nested(8, pairs(list(value.items()))),
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
    if isinstance(value, array.array) and value.typecode in ARRAYS:
        return lambda writer, value: writer.array(ARRAYS[value.typecode], value)
    numpy, dates = (sys.modules.get(name) for name in ("numpy", "datetime"))
    if is_one(value, numpy, "ndarray"):
        return Writer.numpy
    if is_one(value, numpy, "bool_", "integer", "floating") and type(value.item()) in WRITERS:
        return lambda writer, value: writer.value(value.item())
    if is_one(value, dates, "datetime"):
        return lambda writer, value: writer.parts.append(tagged_f64(10, value.timestamp() * 1000))
    return Writer.handle


def is_one(value, module, *names):
    """Whether it is of one of a module's types. Any module may have that name."""
    types = (getattr(module, name, None) for name in names)
    return any(isinstance(kind, type) and isinstance(value, kind) for kind in types)


def shown(value):
    """The value as Python prints it."""
    try:
        shown = repr(value) if small(value) else brief(value)
    except Exception as error:
        shown = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "…"


def small(value):
    containers = (str, bytes, bytearray, list, tuple, dict, set, frozenset, array.array)
    return not isinstance(value, containers) or len(value) <= 1000


def brief(value):
    return library("reprlib").repr(value)
