"""Polls the number of stored scans of each journal, and records when it grew."""

import threading
import time

import psycopg2

POLL_S = 0.1


class Watch:
    def __init__(self, url: str):
        self.url = url
        self.stored, self.growths = {}, {}
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.is_set():
            try:
                connection = psycopg2.connect(self.url, connect_timeout=5)
                connection.autocommit = True
                with connection.cursor() as cursor:
                    while not self.stop.wait(POLL_S):
                        cursor.execute("SELECT log::text, stored FROM tapline.journals")
                        self._note(cursor.fetchall())
            except psycopg2.Error:
                self.stop.wait(POLL_S)

    def _note(self, rows: list):
        now = time.monotonic()
        with self.lock:
            for journal, stored in rows:
                if stored > self.stored.get(journal, 0):
                    self.stored[journal] = stored
                    self.growths.setdefault(journal, []).append(now)

    def end(self):
        self.stop.set()
        self.thread.join(10)

    def journals(self) -> int:
        with self.lock:
            return len(self.growths)

    def total(self) -> int:
        with self.lock:
            return sum(self.stored.values())

    def grown_since(self, since: float) -> int:
        """Returns the number of journals that have grown since that time."""
        with self.lock:
            return sum(times[-1] > since for times in self.growths.values())

    def longest_pause(self, since: float) -> float:
        """Returns the longest time after `since` in which a journal did not grow, in seconds. The pause must have ended."""
        longest = 0.0
        with self.lock:
            for times in self.growths.values():
                later = [since] + [moment for moment in times if moment > since]
                longest = max([longest] + [after - before for before, after in zip(later, later[1:])])
        return longest
