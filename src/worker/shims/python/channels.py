# Channels to and from the caller, who opens them. What comes for them in the midst of an evaluation is taken at once.

class End:
    """This end of a channel."""

    def __init__(self, room):
        self.inbox, self.room, self.closed = [], room, False


ends = {}
closed_early = set()
# Frames that came while somebody waited for a channel.
later = []
# Tasks that wait for something to come for one.
waiters = []


class Channel:
    """Values to and from the caller, who opens it by its name.

    `put` waits for room, and `take` for a value; nothing else runs meanwhile. `put_async` and `take_async` let others run.
    """

    def __init__(self, name):
        self.name = str(name)

    def __repr__(self):
        return f"channel({self.name!r})"

    @property
    def is_open(self):
        hear_what_came()
        end = ends.get(self.name)
        return not end.closed if end else self.name not in closed_early

    def put(self, value):
        message = carried(value)
        while not self.try_put(message):
            wait_for_channel()

    async def put_async(self, value):
        message = carried(value)
        while not self.try_put(message):
            await something_for_a_channel()

    def take(self):
        taken = self.look()
        while not taken:
            wait_for_channel()
            taken = self.look()
        return taken[0]

    async def take_async(self):
        taken = self.look()
        while not taken:
            await something_for_a_channel()
            taken = self.look()
        return taken[0]

    def try_take(self, default=None):
        taken = self.look()
        return taken[0] if taken else default

    def close(self):
        if not self.is_open:
            return
        with held:
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

    async def __aiter__(self):
        try:
            while True:
                yield await self.take_async()
        except ChannelClosed:
            return

    def try_put(self, message):
        """Whether there was room for it."""
        end = self.end()
        if end is None or end.room == 0:
            return False
        with held:
            self.say(PUT, *message)
            end.room -= 1
        return True

    def look(self):
        """The oldest value, alone in a tuple; or nothing in one."""
        end = self.end(for_values=True)
        if end is None or not end.inbox:
            return ()
        with held:
            value = end.inbox.pop(0)
            self.say(TAKEN, u32(1))
        return (value,)

    def end(self, for_values=False):
        hear_what_came()
        end = ends.get(self.name)
        is_closed = self.name in closed_early or end is not None and end.closed
        if is_closed and not (for_values and end is not None and end.inbox):
            raise ChannelClosed(self.name)
        return end

    def say(self, what, body, payload=()):
        control.send(CHANNEL_FROM_WORKER, 0, text(self.name) + u32(what) + body, payload)


def wait_for_channel():
    """Waits for the next frame, in the midst of an evaluation."""
    must_be_main()
    with held:
        control.read()
        sort_frames()


async def something_for_a_channel():
    """The same while others run."""
    waiter = sys.modules["asyncio"].get_running_loop().create_future()
    waiters.append(waiter)
    await waiter


def must_be_main():
    if _thread.get_ident() != MAIN:
        raise RuntimeError("channels are for the thread that evaluates, and not for those that it starts")


def hear_what_came():
    must_be_main()
    with held:
        while control.is_readable():
            control.read()
        sort_frames()


def sort_frames():
    """Channel messages are for now, and all else for later."""
    frame = control.next()
    while frame is not None:
        if frame[0] == CHANNEL_TO_WORKER:
            hear_channel(frame[2])
        else:
            later.append(frame)
            if loop is not None and loop.is_running():
                loop.stop()
        frame = control.next()


def hear_channel(body):
    name, what = body.text(), body.take("I")
    while waiters:
        waiter = waiters.pop()
        if not waiter.done():
            waiter.set_result(None)
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
