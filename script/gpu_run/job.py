"""job.py - commands, each with a limit that it cannot outlive, alone or side by side."""
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

# A command that is over its limit is asked to end, then killed; one that even then does not go,
# as where a driver hangs, is left behind.
ASKED_S, KILLED_S = 1.0, 2.0
LEAST_S = 0.5  # what is less is not worth a start


def judge_status(status, text):
    """What became of a job, by its exit status (None: over its limit) and its output."""
    del text
    if status is None:
        return "too long"
    return "pass" if status == 0 else f"FAIL {status}"


@dataclass
class Job:
    name: str
    command: list
    limit: float = float("inf")  # in seconds, and never more than its step has left
    env: dict = field(default_factory=dict)  # beside that of the caller
    judge: callable = judge_status  # (status, text): "pass", "absent ...", or what failed
    show: str = "$^"  # the lines of its output that the summary repeats


class Process:
    """A job that runs in a process group of its own, its output at the end of a file."""

    def __init__(self, job, limit, output):
        self.job, self.output = job, output
        self.begun = time.monotonic()
        self.deadline = self.begun + limit
        self.signals = [(0.0, signal.SIGTERM), (ASKED_S, signal.SIGKILL)]
        self.status, self.is_over = None, False
        with open(output, "ab") as sink:
            self.start_at = sink.seek(0, os.SEEK_END)
            try:
                # Not a session of its own: that would outlive whatever ends this script.
                self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                    job.command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                    env={**os.environ, **job.env}, preexec_fn=os.setpgrp)
            except OSError as error:
                sink.write(f"{error}\n".encode())
                self.process, self.status, self.is_over = None, 127, True

    @property
    def seconds(self):
        return time.monotonic() - self.begun

    def signal_group(self, number):
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def poll(self):
        """Whether the job is over; to be asked again and again, for this enforces the limit."""
        if self.is_over:
            return True
        late = time.monotonic() - self.deadline
        status = self.process.poll()
        if status is not None:
            self.status = status if late < 0 else None
            self.signal_group(signal.SIGKILL)  # what it left running
            self.is_over = True
        elif self.signals and late >= self.signals[0][0]:
            self.signal_group(self.signals.pop(0)[1])
        elif late >= ASKED_S + KILLED_S:
            self.is_over = True
        return self.is_over

    def end(self):
        """At once, because the script itself is ended."""
        if not self.is_over:
            self.signal_group(signal.SIGKILL)
            self.is_over = True


def run_jobs(jobs, width, deadline, record):
    """Run jobs in their order, `width` at a time; true if none has failed."""
    waiting, running, good = list(jobs), [], True
    try:
        while waiting or running:
            while waiting and len(running) < width:
                job = waiting.pop(0)
                limit = min(job.limit, deadline - time.monotonic())
                if limit < LEAST_S:
                    good = record.leave_out(job, "left out", "no time is left")
                else:
                    running.append(Process(job, limit, record.begin(job, width == 1)))
            for process in [process for process in running if process.poll()]:
                running.remove(process)
                good = record.end(process) and good
            time.sleep(0.02)
    finally:
        for process in running:
            process.end()
            record.end(process)
    return good
