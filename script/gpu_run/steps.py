"""steps.py - what is done on a GPU: each step, the seconds that it may take, what it teaches."""
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass

from . import counters, programs
from .job import Job, judge_status, run_jobs
from .record import write_whole

SANITIZED = ("test_embedding:sort", "test_embedding:maps", "test_fused:in_place",
             "test_attend:accumulate", "test_attention:in_place", "test_norm:in_place",
             "test_operators:tails", "test_cuda", "test_graphs")
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
FACTS = ("nan", "masks", "words", "memory", "rates")
EVERY_LINE = r"\S"


@dataclass
class Run:
    """What the steps know of each other."""

    source: str
    record: object
    is_small: bool
    given: str  # the folder with the programs, if the caller names one
    folder: str = ""  # the one that is used
    library_path: str = ""
    limit: float = 0.0  # of the step that runs, and when it ends
    deadline: float = 0.0

    def run(self, *jobs, width=1):
        return run_jobs(jobs, width, self.deadline, self.record)

    @property
    def env(self):
        return {"LD_LIBRARY_PATH": self.library_path}


# ---- the machine --------------------------------------------------------------------------

QUERY = ("name,driver_version,compute_cap,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,"
         "power.draw,power.limit,temperature.gpu,memory.used,memory.total")


def step_machine(run):
    said, _ = programs.ask(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], timeout=5)
    if said.strip():
        run.record.device = re.sub(r"[^a-z0-9]+", "-", said.splitlines()[0].strip().lower())
    run.run(
        Job("addressing", ["sh", "-c", "nvidia-smi -q | grep -i addressing"], 4, show=EVERY_LINE),
        Job("clocks", ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv"], 4, show=EVERY_LINE),
        Job("processor", ["sh", "-c", "uname -srm; lscpu | grep -E '^(Model name|CPU.s.)'"], 3,
            show=EVERY_LINE))


# ---- the programs -------------------------------------------------------------------------

def find_check(run):
    """Where check lies, if pkg-config does not know of one."""
    for folder in (os.environ.get("CUDROP_CHECK_PREFIX"), f"{run.source}/{programs.CARRIED}/check"):
        if folder and os.path.isdir(folder):
            return [f"-DCUDROP_CHECK_PREFIX={folder}"]
    return []


def build_programs(run):
    folder = f"{run.source}/{programs.BUILT}"
    configure = ["cmake", "-G", "Ninja", "-S", run.source, "-B", folder,
                 "-DCMAKE_BUILD_TYPE=Release", "-DCUDROP_CUDA=ON", *find_check(run),
                 f"-DCMAKE_CUDA_ARCHITECTURES={os.environ.get('CUDROP_ARCHITECTURES', 'native')}",
                 f"-DCUDROP_COMMIT={os.environ.get('CUDROP_COMMIT', '')}"]
    if not run.run(Job("configure", [*configure, "-DCUDROP_BUILD_TESTS=ON"], 30)):
        # What can be measured is measured, also without check.
        run.run(Job("configure-without-tests", [*configure, "-DCUDROP_BUILD_TESTS=OFF"], 30))
    targets = ["cudrop_cli", "peers", *programs.list_targets(folder)]
    run.run(Job("build", ["cmake", "--build", folder, "--target", *targets, "--", "-k", "0"]))
    return folder


def step_programs(run):
    """Those that were carried here, if they start; else they are built."""
    folder = run.given or f"{run.source}/{programs.CARRIED}"
    run.library_path = programs.find_libraries(folder) if os.path.isdir(folder) else ""
    if run.given or os.path.exists(f"{folder}/cudrop"):
        if run.run(Job("carried", [f"{folder}/cudrop", "info"], 10, run.env)):
            run.folder = folder
    if not run.folder:
        run.folder = build_programs(run)
        run.library_path = programs.find_libraries(run.folder)
    run.record.run["commit"] = read_commit(run)


def read_commit(run):
    """What the programs were made of; compare.py and the documents say it, too."""
    if os.path.exists(f"{run.folder}/commit"):
        with open(f"{run.folder}/commit", encoding="utf-8") as file:
            os.environ["CUDROP_COMMIT"] = file.read().strip()
    said, _ = programs.ask(["git", "describe", "--always", "--dirty"], cwd=run.source)
    return os.environ.get("CUDROP_COMMIT") or said.strip() or "unknown"


def step_verify(run):
    run.run(Job("info", [f"{run.folder}/cudrop", "info"], 8, run.env, show=EVERY_LINE),
            Job("verify", [f"{run.folder}/cudrop", "verify"], 8, run.env, show="wrong|came out"))


# ---- correctness --------------------------------------------------------------------------

# They run side by side: the longest first.
LONGEST = ("test_statistics", "test_large", "python_torch", "test_operators", "test_norm",
           "test_attention", "test_bench")


def judge_suite(skipped, is_required):
    def judge(status, text):
        has_skipped = status == 77 or (
            status == 0 and any(re.search(pattern, text) for pattern in skipped))
        if not has_skipped:
            return judge_status(status, text)
        if is_required and "no CUDA device" in text:
            return "FAIL: no GPU was used"
        last = (text.strip().splitlines() or ["skipped"])[-1]
        ran, left = (re.search(pattern, text) for pattern in (r"\nRan (\d+) ", r"skipped=(\d+)"))
        is_part = ran and left and int(ran[1]) > int(left[1])  # of unittest's tests
        return f"{'pass' if is_part else 'absent'}: {last}"

    return judge


def make_suite(run, suite, is_required):
    """A job, or what it lacks here."""
    missing = []
    for word in suite["command"]:
        if os.path.isfile(word) and os.access(word, os.X_OK) and programs.is_elf(word):
            missing += programs.list_missing(word, run.library_path)
    env = {**run.env, **suite["env"], "CUDROP_REQUIRE_GPU": "1" if is_required else "0"}
    return Job(suite["name"], suite["command"], env=env,
               judge=judge_suite(suite["skipped"], is_required)), missing


def step_suites(run):
    is_required = os.environ.get("CUDROP_REQUIRE_GPU", "1") == "1"
    jobs = []
    for suite in programs.read_suites(run.folder, run.source):
        job, missing = make_suite(run, suite, is_required)
        if not missing:
            jobs.append(job)
            continue
        is_fine = all(re.match(programs.OPTIONAL, name) for name in missing)
        run.record.leave_out(job, "absent" if is_fine else "FAIL",
                             f"there is no {', '.join(sorted(set(missing)))}")
    if not jobs:
        run.record.leave_out(Job("suites", []), "FAIL", "no suite was built or carried")
    jobs.sort(key=lambda job: min([k for k, name in enumerate(LONGEST)
                                   if job.name.startswith(name)] or [len(LONGEST)]))
    run.run(*jobs, width=os.cpu_count() or 1)


def judge_sanitizer(status, text):
    """The tool must have found nothing in at least one test that ran."""
    if status == 0 and not re.search(r"Checks: [1-9]", text):
        return "FAIL: no test ran"
    return judge_status(status, text)


def step_sanitizers(run):
    jobs = []
    if shutil.which("compute-sanitizer") is None:
        run.record.leave_out(Job("compute-sanitizer", []), "FAIL", "there is none")
        return
    for tool in TOOLS:
        for suite in SANITIZED:
            program, _, case = suite.partition(":")
            env = {**run.env, "CUDROP_TEST_BACKEND": "cuda", "CK_FORK": "no",
                   "CK_EXCLUDE_TAGS": "slow", "CUDROP_REQUIRE_GPU": "1"}
            if case:
                env["CK_RUN_CASE"] = case
            # Calls that must fail are part of the suites; only what kernels do is a fault here.
            jobs.append(Job(f"{tool}-{suite.replace(':', '-')}",
                            ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9",
                             "--report-api-errors", "no", "--print-limit", "50",
                             f"{run.folder}/tests/{program}"],
                            run.limit / 2, env, judge_sanitizer))
    run.run(*jobs, width=min(6, os.cpu_count() or 1))


# ---- speed --------------------------------------------------------------------------------

HEADLINES = (r"^(forward|backward|accumulate|export_scale) .* 2\^(24|28) cold|^empty kernel|"
             r"^(forward|forward_prepared|backward) .* 2\^10 |WRONG|FAILED|cases measured")


def measure(run, name, share, *options, small="2^12", show=HEADLINES):
    """A document; no case begins in the last quarter of what it may take."""
    limit = run.limit * share
    if run.is_small:
        options = [small if before == "--n" else word
                   for before, word in zip(("", *options), options)] + ["--repeats", "3"]
        if "--n" not in options:
            options += ["--n", small]
    return Job(f"bench-{name}",
               [f"{run.folder}/cudrop", "bench", "--backend", "cuda", *options, "--budget",
                f"{limit * 0.75:.0f}", "--json", run.record.name_document(name)],
               limit, run.env, show=show)


def step_bench(run):
    rows = "fused_forward,fused_backward" if run.is_small else "rows"
    run.run(
        measure(run, "elementwise", 0.4, "--operators", "elementwise"),
        measure(run, "rows", 0.36, "--operators", rows, "--n", "2^20,2^24,2^26",
                show=r" 2\^(24|26) cold|WRONG|FAILED|cases measured"),
        measure(run, "types", 0.24, "--operators", "forward,backward", "--dtypes", "all",
                "--n", "2^24,2^28"))


def step_layouts(run):
    run.run(measure(run, "layouts", 1.0, "--operators",
                    "forward,accumulate,export_bytes,apply_bytes", "--layouts", "all", "--n",
                    "2^20,2^26", show=r"2\^26 cold|WRONG|FAILED|cases measured"))


def step_counters(run):
    """A document that grows by an operator at a time."""
    path = run.record.name_document("counters")
    document = {"format": 1, "date": run.record.run["date"], "metrics": counters.METRICS,
                "commit": run.record.run.get("commit"), "rows": []}
    if shutil.which("ncu") is None:
        run.record.leave_out(Job("ncu", []), "absent", "there is no ncu")
        return
    for operator in counters.OPERATORS:
        bench = [f"{run.folder}/cudrop", "bench", "--backend", "cuda", "--operators", operator]
        n = "2^12" if run.is_small else "2^24"
        seen = []

        def judge(status, text, seen=seen):
            seen += counters.read_rows(text)
            return counters.judge(status, text)

        run.run(Job(f"ncu-{operator}", counters.make_command(bench, n), run.limit / 4, run.env,
                    judge))
        document["rows"] += [{"operator": operator, **row} for row in seen]
        run.record.show(counters.format_longest(seen))
        write_whole(path, document)


# ---- others -------------------------------------------------------------------------------

def step_peers(run):
    """Rows come one by one, into the log and into the documents."""
    os.environ["CUDROP_LIBRARY_PATH"] = run.library_path
    for subject, share, options in (
            ("dropout", 0.35, ["--n", "2^26,2^24,2^20"]),
            ("rows", 0.4, ["--operators", "fused,norm,attention", "--n", "2^24"]),
            ("attend", 0.25, ["--operators", "attend,attend_causal", "--dtypes", "BF16",
                              "--cols", "4096", "--n", "2^28"])):
        limit = run.limit * share
        if run.is_small:
            options = [*options[:-1], "2^12", "--cols", "64", "--repeats", "3"]
        run.run(Job(f"peers-{subject}",
                    [sys.executable, f"{run.source}/bench/peers/compare.py", run.folder,
                     "--backends", "cuda", "--budget", f"{limit * 0.9:.0f}", "--peer-limit",
                     f"{limit * 0.4:.0f}", "--json",
                     run.record.name_document(f"peers-{subject}"), *options],
                    limit, show=EVERY_LINE))


def step_facts(run):
    """What is asked is no time, so that all run side by side."""
    path = run.record.name_document("facts")
    document = {"format": 1, "date": run.record.run["date"], "facts": {}}

    def note(name):
        def judge(status, text):
            document["facts"][name] = text.splitlines()
            write_whole(path, document)
            return judge_status(status, text)

        return judge

    run.run(*(Job(f"fact-{name}", [sys.executable, f"{run.source}/bench/facts/{name}.py", "cuda"],
                  judge=note(name), show="seen: ") for name in FACTS), width=len(FACTS))


# ---- all ----------------------------------------------------------------------------------

@dataclass(frozen=True)
class Step:
    name: str
    limit: float  # in seconds
    teaches: str
    act: callable
    needs_programs: bool = True


STEPS = {step.name: step for step in (
    Step("machine", 8, "whether host memory is the GPU's, too (addressing mode); driver, clocks",
         step_machine, False),
    Step("programs", 120, "whether what was built elsewhere starts; else it is built here",
         step_programs, False),
    Step("verify", 10, "known answers: whether the mask is right at all", step_verify),
    Step("suites", 75, "correctness: the host's bytes, past 2^32 elements, in graphs and streams",
         step_suites),
    Step("bench", 130, "speed beside a copy: elementwise, on rows, by type", step_bench),
    Step("counters", 60, "what limits each kernel: sectors a request, issue slots, bytes",
         step_counters),
    Step("sanitizers", 90, "memory, races and barriers, also of sums, the sort and segments",
         step_sanitizers),
    Step("layouts", 55, "what strides and misalignment cost", step_layouts),
    Step("peers", 180, "other libraries' dropouts beside this one, on the GPU alone", step_peers),
    Step("facts", 40, "what PyTorch's dropout does on a GPU", step_facts, False),
)}

# What is done in one go: the seconds for all of it, and its steps in their order, some with a
# limit of their own. The limits add up to less, for a job that is killed outlives its limit.
CALLS = {
    "first": (570, dict.fromkeys(("machine", "programs", "verify", "suites", "bench", "counters",
                                  "sanitizers", "layouts"))),
    "second": (250, {"machine": None, "programs": 15, "peers": None, "facts": None}),
}
LAST, MOST_LAST = "layouts", 150  # this one takes what is left, up to so many seconds


def take_step(run, step, limit, budget_end):
    """A step within its limit, and within what is left of everything."""
    begun = time.monotonic()
    run.limit = min(limit, budget_end - begun)
    run.deadline = begun + run.limit
    run.record.begin_step(step, max(0.0, run.limit))
    try:
        step.act(run)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        run.record.leave_out(Job(step.name, []), "FAIL", f"{type(error).__name__}: {error}")
    return time.monotonic() - begun
