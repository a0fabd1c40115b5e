"""A thread that runs during a block."""

import threading


class Background:
    """Runs `run` in a thread from the begin to the end of a `with` block. `run` returns soon after `stop` is set."""

    def __init__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
