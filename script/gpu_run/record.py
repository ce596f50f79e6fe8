"""record.py - what is kept of a run: a log, a summary, and documents, all written as it goes."""
import datetime
import json
import os
import re
import shlex
import shutil
import tempfile

LINES = 12  # of the output of what failed, in the summary
MOST_LOGGED = 1 << 20  # bytes of a job's output; of more, the two ends


def write_whole(path, document):
    """Replace a document by another, so that at any moment there is a whole one."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    os.replace(f"{path}.new", path)


def cut_middle(text):
    if len(text) <= MOST_LOGGED:
        return text
    half = MOST_LOGGED // 2
    return text[:half] + f"\n[... {len(text) - 2 * half} bytes ...]\n".encode() + text[-half:]


class Record:
    """Of a run: $OUT/log.txt, $OUT/summary.txt and $OUT/results/."""

    def __init__(self, out, label):
        os.makedirs(f"{out}/results", exist_ok=True)
        self.out, self.label = out, label
        self.log, self.summary = f"{out}/log.txt", f"{out}/summary.txt"
        self.folder = tempfile.mkdtemp(prefix="cudrop-gpu-")
        self.now = datetime.datetime.now(datetime.timezone.utc)
        self.device, self.failures, self.count = "unknown-gpu", 0, 0
        self.run = {"format": 1, "date": self.now.isoformat(timespec="seconds"), "steps": []}

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- text ------------------------------------------------------------------------------

    def append(self, path, text):
        with open(path, "ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def say(self, line):
        """To whoever watches, and to the summary."""
        print(line, flush=True)
        self.append(self.summary, f"{line}\n")

    def show(self, lines):
        for line in lines:
            self.say(f"    {line[:160]}")

    # ---- documents -------------------------------------------------------------------------

    def name_document(self, subject):
        """Named as bench/results names its documents."""
        day = self.now.strftime("%Y-%m-%d")
        return f"{self.out}/results/cuda-{subject}-{self.device}-{day}.json"

    def write_run(self):
        write_whole(self.name_document(f"run-{self.label}"), self.run)

    # ---- jobs ------------------------------------------------------------------------------

    def begin_step(self, step, limit):
        self.say(f"== {step.name}, {limit:.0f} s at most: {step.teaches}")
        self.run["steps"].append({"name": step.name, "teaches": step.teaches,
                                  "limit_s": round(limit, 1), "jobs": []})

    def begin(self, job, is_alone):
        """Where a job's output goes: the log, if nothing else writes there meanwhile."""
        if is_alone:
            self.append(self.log, self.head(job))
            return self.log
        self.count += 1
        return f"{self.folder}/{self.count}"

    def head(self, job):
        now = datetime.datetime.now().strftime("%H:%M:%S")
        return f"\n==== {job.name}, {now}\n$ {shlex.join(job.command)}\n"

    def end(self, process):
        """Keep what the job of an ended process has said; true unless it has failed."""
        job = process.job
        with open(process.output, "rb") as file:
            file.seek(process.start_at)
            said = file.read()
        kept = cut_middle(said)
        if process.output != self.log:
            self.append(self.log, self.head(job).encode() + kept)
        elif len(kept) < len(said):
            os.truncate(self.log, process.start_at)
            self.append(self.log, kept)
        text = said.decode(errors="replace")
        result, _, detail = job.judge(process.status, text).partition(": ")
        lines = [line for line in text.splitlines() if line.strip()]
        if result not in ("pass", "absent") and not detail and lines:
            detail = lines[-1].strip()
        self.append(self.log, f"\n---- {job.name}: {result}\n")
        good = self.enter(job, result, detail, process.seconds)
        shown = [line for line in lines if re.search(job.show, line)]
        if not good and len(lines) > 1:
            shown += [line for line in lines[-LINES:] if line not in shown]
        self.show(shown)
        return good

    def leave_out(self, job, result, detail):
        self.append(self.log, f"{self.head(job)}{result}: {detail}\n")
        return self.enter(job, result, detail, 0.0)

    def enter(self, job, result, detail, seconds):
        good = result in ("pass", "absent")
        self.failures += not good
        self.say(f"{job.name:34} {result:9} {seconds:6.1f} s  {detail[:100]}".rstrip())
        self.run["steps"][-1]["jobs"].append({"name": job.name, "result": result,
                                              "detail": detail, "seconds": round(seconds, 2)})
        self.write_run()
        return good

    def end_step(self, seconds, clocks):
        for entry in os.scandir(f"{self.out}/results"):
            if entry.stat().st_size == 0:  # opened by what then failed
                os.unlink(entry.path)
        self.run["steps"][-1].update(seconds=round(seconds, 1), **clocks)
        self.write_run()
