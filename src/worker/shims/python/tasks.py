# Evaluations that wait are tasks of an event loop, which is there when it is needed.

loop = None
tasks = {}


def event_loop():
    global loop
    if loop is None or loop.is_closed():
        asyncio = library("asyncio")
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.add_reader(CONTROL, loop.stop)
    return loop


def cancelled():
    asyncio = sys.modules.get("asyncio")
    return asyncio.CancelledError if asyncio else KeyboardInterrupt


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
    began.end(task.result)


def run_loop():
    """Runs the event loop until it is stopped."""
    before = attend(True)
    for id, began in tasks.items():
        if is_interrupted(id):
            began.task.cancel()
    while True:
        try:
            loop.run_forever()
            break
        except (KeyboardInterrupt, SystemExit):
            # It was raised in a task, which has ended with it: the loop is to tell.
            loop.call_soon(loop.stop)
    attend(before)


def has_tasks():
    # An evaluation whose task is done has ended when the loop has told.
    return bool(tasks) or loop is not None and bool(sys.modules["asyncio"].all_tasks(loop))


def wait_for_frames():
    """Waits until a frame has come, or a task has ended."""
    if has_tasks():
        loop.call_soon(stop_when_done)
        run_loop()
        # A task may have taken what stopped the loop.
        if not control.is_readable():
            return
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
