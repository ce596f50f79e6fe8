"""clocks.py - nvidia-smi dmon beside a run: what clock and power its steps had."""
import os
import subprocess

COLUMNS = {"pclk": "sm_mhz", "mclk": "memory_mhz", "pwr": "power_w", "gtemp": "celsius"}


def read_clocks(text):
    """The least and the most of each column that dmon printed."""
    names, series = [], {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#"):
            names = words[1:] if "pclk" in words else names
            continue
        for name, word in zip(names, words):
            if name in COLUMNS and word.isdigit():
                series.setdefault(COLUMNS[name], []).append(int(word))
    return {name: [min(numbers), max(numbers)] for name, numbers in series.items()}


class Clocks:
    """dmon in the background; a machine without it has no clocks to tell."""

    def __init__(self, path):
        self.path, self.at, self.process = path, 0, None
        with open(path, "wb") as sink:
            try:
                self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                    ["nvidia-smi", "dmon", "-s", "pc", "-d", "1"], stdin=subprocess.DEVNULL,
                    stdout=sink, stderr=subprocess.DEVNULL)
            except OSError:
                pass

    def take(self):
        """What was printed since the last time, and what it says; the head is always told."""
        with open(self.path, "rb") as file:
            text = file.read().decode(errors="replace")
        whole = text.rfind("\n") + 1
        head = "".join(line for line in text.splitlines(True)[:2] if line.startswith("#"))
        fresh, self.at = text[self.at:whole], whole
        return fresh, read_clocks(head + fresh)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if os.path.exists(self.path):
            os.unlink(self.path)
