#!/usr/bin/env python3
"""check_gpu.py SOURCE CUDROP SUITE - script/gpu from end to end, on an emulated GPU and with tools
that stand in for NVIDIA's: its order, its limits, and that whatever hangs or fails loses nothing.

CUDROP is the program and SUITE a suite, both over the emulated GPU.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE, CUDROP, SUITE = (os.path.abspath(word) for word in sys.argv[1:4])
sys.dont_write_bytecode = True
sys.path.insert(0, f"{SOURCE}/script")
# pylint: disable=wrong-import-position
from gpu_run import clocks, counters, programs, record, steps

# ---- what stands in for a GPU's machine ---------------------------------------------------

NVIDIA_SMI = """#!/bin/sh
case "$*" in
  *addressing* | -q) echo '    Addressing Mode                       : HMM' ;;
  *query-gpu=name\\ *) echo 'NVIDIA H200' ;;
  *query-gpu*) echo 'name, driver_version'; echo 'NVIDIA H200, 580.1' ;;
  dmon*)
    echo '# gpu    pwr  gtemp  mtemp   mclk   pclk'
    echo '# Idx      W      C      C    MHz    MHz'
    while :; do echo '    0    119     30      -   3201   1980'; sleep 0.2; done ;;
esac
"""

# It profiles; of fused_forward it hangs, and does not end when asked to.
NCU = """#!/bin/sh
case "$*" in *fused_forward*) trap '' TERM; echo about to hang; while :; do sleep 1; done ;; esac
echo '==PROF== Connected to process 1'
echo '"ID","Kernel Name","Block Size","Grid Size","gpu__time_duration.sum"'
echo '"","","","","ns"'
echo '"0","scale<float>(int, ""x"")","(256, 1, 1)","(1056, 1, 1)","12,345.5"'
"""

# It runs the program behind its options, all cases of it; racecheck finds something.
SANITIZER = """#!/bin/sh
tool=$2
while [ "${1#/}" = "$1" ]; do shift; done
echo "$tool looks at ${1##*/}:${CK_RUN_CASE-}"
unset CK_RUN_CASE
"$@" || exit
[ "$tool" != racecheck ] || { echo '========= ERROR SUMMARY: 1 error'; exit 9; }
"""

ABSENT = "raise ImportError('not here')\n"
# Once, for it costs what a peer may take.
HANGS = """import os, time
mark = __file__ + '.hung'
if os.path.exists(mark):
    raise ImportError('not here')
open(mark, 'w').close()
time.sleep(60)
"""
STAND_INS = {
    "bin/nvidia-smi": NVIDIA_SMI, "bin/ncu": NCU, "bin/compute-sanitizer": SANITIZER,
    "modules/torch.py": ABSENT, "modules/triton.py": ABSENT, "modules/jax.py": HANGS,
}
SUITES = [
    {"name": "right", "command": ["{BUILD}/tests/suite"],
     "env": {"CUDROP_TEST_BACKEND": "cuda"}, "skipped": []},
    {"name": "wrong", "command": ["sh", "-c", "echo 'element 7 is wrong'; exit 1"], "env": {},
     "skipped": []},
    {"name": "hangs", "env": {}, "skipped": [],
     "command": ["sh", "-c", "trap '' TERM; echo begun; {BUILD}/tests/nap 60 & wait"]},
    {"name": "no_data", "command": ["sh", "-c", "echo 'skipped: no data set'; exit 77"],
     "env": {}, "skipped": []},
    {"name": "no_gpu", "command": ["sh", "-c", "echo 'no CUDA device can be used'; exit 1"],
     "env": {}, "skipped": ["no CUDA device can be used"]},
    {"name": "source", "command": ["test", "-f", "{SOURCE}/README.md"], "env": {}, "skipped": []},
]
# Seconds for what hangs here, and enough for the rest on a busy machine.
LIMITS = {"suites": 8, "counters": 16, "peers": 32}


def write_program(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


def make_programs(folder):
    os.makedirs(f"{folder}/tests")
    os.symlink(CUDROP, f"{folder}/cudrop")
    for name in {suite.partition(":")[0] for suite in steps.SANITIZED} | {"suite"}:
        os.symlink(SUITE, f"{folder}/tests/{name}")
    os.symlink(shutil.which("sleep"), f"{folder}/tests/nap")
    with open(f"{folder}/suites.json", "w", encoding="utf-8") as file:
        json.dump(SUITES, file)
    with open(f"{folder}/commit", "w", encoding="utf-8") as file:
        file.write("abc1234\n")


class Machine:
    """A folder with the programs and tools, and what script/gpu leaves in another."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        for name, text in STAND_INS.items():
            write_program(f"{self.folder}/{name}", text)
        make_programs(f"{self.folder}/programs")

    def start(self, out, *words):
        env = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
               "PYTHONPATH": f"{self.folder}/modules", "OUT": f"{self.folder}/{out}"}
        for name in ("CK_RUN_CASE", "CUDROP_COMMIT", "CUDROP_TEST_BACKEND"):
            env.pop(name, None)
        return subprocess.Popen(
            [sys.executable, f"{SOURCE}/script/gpu", "--small", "--programs",
             f"{self.folder}/programs", *words],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def read(self, name):
        with open(f"{self.folder}/{name}", encoding="utf-8") as file:
            return file.read()

    def read_document(self, out, subject):
        paths = glob.glob(f"{self.folder}/{out}/results/cuda-{subject}-nvidia-h200-*.json")
        assert len(paths) == 1, (subject, paths)
        return json.loads(self.read(os.path.relpath(paths[0], self.folder)))

    def close(self):
        shutil.rmtree(self.folder)


def setUpModule():  # pylint: disable=invalid-name
    """Both calls, at once: they wait most of the time."""
    global machine, first, second, took  # pylint: disable=global-variable-undefined
    machine, begun = Machine(), time.monotonic()
    limits = [word for name, seconds in LIMITS.items()
              for word in ("--limit", f"{name}={seconds}")]
    calls = [machine.start(call, call, *limits) for call in ("first", "second")]
    first, second = (call.communicate()[0] for call in calls)
    took = [call.returncode for call in calls], time.monotonic() - begun


def tearDownModule():  # pylint: disable=invalid-name
    machine.close()


def read_results(out):
    label = machine.read_document(out, f"run-{out}")
    return {job["name"]: job for step in label["steps"] for job in step["jobs"]}


# ---- what must come of it -----------------------------------------------------------------

class TheWhole(unittest.TestCase):
    def test_steps_come_in_their_order_and_say_what_they_teach(self):
        for out, said in (("first", first), ("second", second)):
            names = re.findall(r"^== (\w+), \d+ s at most: \S", said, re.MULTILINE)
            self.assertEqual(names, list(steps.CALLS[out][1]), said)
        self.assertLess(first.index("Addressing Mode"), first.index("verify"))

    def test_limits_add_up_to_less_than_there_is(self):
        for seconds, limits in steps.CALLS.values():
            total = sum(limit or steps.STEPS[name].limit for name, limit in limits.items())
            self.assertLess(total, seconds)
        self.assertLessEqual(sum(seconds for seconds, _ in steps.CALLS.values()), 820)

    def test_failures_are_in_the_exit_status_and_in_the_last_line(self):
        self.assertEqual(took[0], [1, 1], first + second)
        self.assertRegex(first.splitlines()[-1], r"^first: \d+ failures, \d+ s of 570; ")

    def test_at_most_eight_files_come_back_none_too_deep(self):
        for out in ("first", "second"):
            paths = [os.path.relpath(f"{at}/{name}", f"{machine.folder}/{out}")
                     for at, _, names in os.walk(f"{machine.folder}/{out}") for name in names]
            self.assertLessEqual(len(paths), 8, paths)
            for path in paths:
                self.assertRegex(path, r"^[\w.-]+(/[\w.-]+){0,2}$")

    def test_the_summary_is_what_was_printed(self):
        self.assertEqual(machine.read("first/summary.txt"), first)

    def test_documents_name_commit_device_and_clocks(self):
        run = machine.read_document("first", "run-first")
        self.assertEqual(run["commit"], "abc1234")
        self.assertIn([1980, 1980], [step.get("sm_mhz") for step in run["steps"]])
        self.assertEqual(machine.read_document("second", "peers-dropout")["commit"], "abc1234")


class WhatHangs(unittest.TestCase):
    def test_a_suite_is_killed_and_the_others_count(self):
        results = read_results("first")
        self.assertEqual(results["hangs"]["result"], "too long")
        self.assertLess(results["hangs"]["seconds"], LIMITS["suites"] + 4)
        self.assertEqual(results["right"]["result"], "pass")
        self.assertIn("begun\n\n---- hangs: too long", machine.read("first/log.txt"))

    def test_a_profiler_is_killed_and_the_next_kernels_are_counted(self):
        results = read_results("first")
        self.assertEqual(results["ncu-fused_forward"]["result"], "too long")
        rows = machine.read_document("first", "counters")["rows"]
        self.assertEqual([row["operator"] for row in rows],
                         [name for name in counters.OPERATORS if name != "fused_forward"])
        self.assertEqual(rows[0]["gpu__time_duration.sum"], 12345.5)
        self.assertEqual(rows[0]["kernel"], 'scale<float>(int, "x")')

    def test_a_peer_is_given_up_and_the_others_are_measured(self):
        document = machine.read_document("second", "peers-dropout")
        self.assertEqual([row["peer"] for row in document["rows"]], ["cudrop", "cudrop"])
        self.assertIn(["JAX jit", "cuda", "over --peer-limit"], document["left_out"])
        self.assertEqual({row["backend"] for row in document["rows"]}, {"cuda"})

    def test_nothing_is_left_running(self):
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    self.assertNotIn(f"{machine.folder}/".encode(), file.read())
            except OSError:
                pass  # it is over meanwhile


class WhatFails(unittest.TestCase):
    def test_a_suite_says_why_in_the_summary(self):
        self.assertEqual(read_results("first")["wrong"]["result"], "FAIL 1")
        self.assertIn("element 7 is wrong", first)

    def test_missing_data_is_no_failure_and_a_missing_gpu_is_one(self):
        results = read_results("first")
        self.assertEqual(results["no_data"]["result"], "absent")
        self.assertEqual(results["no_data"]["detail"], "skipped: no data set")
        self.assertEqual(results["no_gpu"]["result"], "FAIL 1")
        self.assertEqual(steps.judge_suite(["no CUDA device"], True)(0, "no CUDA device\n"),
                         "FAIL: no GPU was used")
        judge = steps.judge_suite(["skipped .there is no PyTorch"], True)
        said = "a ... skipped 'there is no PyTorch'\n\nRan {} tests in 1s\n\nOK (skipped=1)\n"
        self.assertEqual(judge(0, said.format(1)), "absent: OK (skipped=1)")
        self.assertEqual(judge(0, said.format(9)), "pass: OK (skipped=1)")

    def test_every_sanitizer_sees_every_case_once(self):
        results = read_results("first")
        for suite in steps.SANITIZED:
            name = suite.replace(":", "-")
            self.assertEqual(results[f"racecheck-{name}"]["result"], "FAIL 9")
            for tool in ("memcheck", "initcheck", "synccheck"):
                self.assertEqual(results[f"{tool}-{name}"]["result"], "pass", name)
                program, _, case = suite.partition(":")
                self.assertEqual(machine.read("first/log.txt").count(
                    f"{tool} looks at {program}:{case}\n"), 1)
        self.assertEqual(steps.judge_sanitizer(0, "100%: Checks: 0, Failures: 0"),
                         "FAIL: no test ran")

    def test_the_cases_of_sanitizers_exist(self):
        for suite in steps.SANITIZED:
            name, _, case = suite.partition(":")
            with open(f"{SOURCE}/tests/{name}.c", encoding="utf-8") as file:
                text = file.read()
            self.assertTrue(not case or f'loop_case("{case}",' in text, suite)

    def test_steps_go_on_without_pytorch(self):
        results = read_results("second")
        self.assertEqual([results[f"fact-{name}"]["result"] for name in steps.FACTS],
                         ["FAIL 1"] * len(steps.FACTS))
        self.assertEqual(results["peers-dropout"]["result"], "pass")
        facts = machine.read_document("second", "facts")["facts"]
        self.assertIn("ImportError: not here", facts["nan"][-1])


class TheLog(unittest.TestCase):
    def test_every_job_is_in_it_with_its_output_from_begin_to_end(self):
        for out in ("first", "second"):
            log = machine.read(f"{out}/log.txt")
            for name, job in read_results(out).items():
                self.assertIn(f"\n==== {name}, ", log)
                if job["result"] != "left out":
                    self.assertRegex(log, rf"\n---- {name}: {job['result']}\n")
        log = machine.read("first/log.txt")
        self.assertEqual(log.count("Checks: "), 1 + 4 * len(steps.SANITIZED))
        self.assertIn("backends: host, cuda", log[:log.index("==== verify")])

    def test_measurements_are_documents_and_tables(self):
        log = machine.read("first/log.txt")
        for name in ("elementwise", "rows", "types", "layouts"):
            document = machine.read_document("first", name)
            self.assertTrue(document["cases"])
            self.assertTrue(all(case["verified"] for case in document["cases"]))
        self.assertEqual(log.count(" cases measured, 0 wrong, 0 failed"), 4)


class WhatIsEnded(unittest.TestCase):
    """The whole script is ended while it measures: what there was stays."""

    def test_rows_come_one_by_one(self):
        os.unlink(f"{machine.folder}/modules/jax.py.hung")
        call = machine.start("ended", "peers", "--limit", "peers=100")
        pattern = "ended/results/cuda-peers-dropout-*.json"
        while call.poll() is None and not any(
                '"peer": "cudrop"' in machine.read(name)
                for name in glob.glob(pattern, root_dir=machine.folder)):
            time.sleep(0.05)
        call.terminate()  # while JAX hangs
        said = call.communicate()[0]
        self.assertEqual(call.returncode, 1, said)
        log = machine.read("ended/log.txt")
        self.assertRegex(log, r"cuda dropout +4096 F32  cudrop .* 1\.00x\n")
        self.assertIn("---- peers-dropout: ", log)
        self.assertRegex(said.splitlines()[-1], "^peers: 1 failures, ")


class WhatIsRefused(unittest.TestCase):
    def expect_refused(self, command, text):
        ran = subprocess.run([sys.executable, *command], capture_output=True, text=True,
                             check=False)
        self.assertEqual((ran.returncode, ran.stdout), (2, ""), ran)
        self.assertIn(text, ran.stderr.splitlines()[-1])

    def test_unknown_words_are_refused_in_words(self):
        script = f"{SOURCE}/script/gpu"
        for words, text in ((["--bogus"], "unrecognized arguments: --bogus"),
                            (["--bud", "3"], "unrecognized arguments: --bud"),
                            (["test"], "there is no step 'test'"),
                            (["--limit", "test=3"], "'test=3' is no STEP=SECONDS"),
                            (["--budget", "-1"], "--budget: a number of seconds above 0")):
            self.expect_refused([script, *words], text)
        script = f"{SOURCE}/bench/peers/compare.py"
        for words, text in ((["--bogus"], "unrecognized arguments: --bogus"),
                            (["--back", "host"], "unrecognized arguments: --back host"),
                            (["--backends", "gpu"], "there is no 'gpu' among the backends"),
                            (["--operators", ""], "there is no '' among the operators"),
                            (["--budget", "0"], "'0' is no number of seconds")):
            self.expect_refused([script, machine.folder, *words], text)
        self.expect_refused([f"{SOURCE}/script/gpu-pack", "--bogus"], "unrecognized arguments")


class WhatIsCarried(unittest.TestCase):
    def test_a_packed_folder_runs_elsewhere(self):
        build = f"{machine.folder}/build"
        os.makedirs(f"{build}/bench/peers")
        os.makedirs(f"{build}/tests")
        for path, source in (("cudrop", CUDROP), ("libcudrop.so.0.2", SUITE),
                             ("tests/suite", SUITE), ("tests/other", SUITE)):
            shutil.copy(source, f"{build}/{path}")
        programs.pack(build, f"{machine.folder}/packed", SUITES[:1], "abc1234")
        moved = shutil.move(f"{machine.folder}/packed", f"{machine.folder}/moved")
        paths = [os.path.relpath(f"{at}/{name}", moved)
                 for at, _, names in os.walk(moved) for name in names]
        own = [path for path in paths if not path.startswith("lib/")]
        self.assertEqual(sorted(own), ["commit", "cudrop", "libcudrop.so.0.2", "suites.json",
                                       "tests/suite"])
        self.assertLess(programs.count_bytes(moved), programs.count_bytes(build))
        suite = programs.read_suites(moved, SOURCE)[0]
        self.assertEqual(suite["command"], [f"{moved}/tests/suite"])
        env = {**suite["env"], "LD_LIBRARY_PATH": programs.find_libraries(moved)}
        said, status = programs.ask(suite["command"], env=env)
        self.assertEqual(status, 0, said)

    def test_only_the_examples_libraries_may_be_missing(self):
        for name in ("libopenblas.so.0", "libcublas.so.13", "libcudnn.so.9"):
            self.assertRegex(name, programs.OPTIONAL)
        for name in ("libcudrop.so.0.2", "libsubunit.so.0"):
            self.assertNotRegex(name, programs.OPTIONAL)


class Parts(unittest.TestCase):
    def test_no_document_is_empty(self):
        kept = record.Record(f"{machine.folder}/empty", "test")
        with open(kept.name_document("types"), "wb"):
            pass
        kept.begin_step(steps.STEPS["bench"], 1.0)
        kept.end_step(1.0, {})
        kept.close()
        self.assertEqual(os.listdir(f"{machine.folder}/empty/results"),
                         [os.path.basename(kept.name_document("run-test"))])

    def test_of_what_says_too_much_both_ends_are_kept(self):
        self.assertEqual(record.cut_middle(b"short"), b"short")
        kept = record.cut_middle(b"begin" + bytes(2 * record.MOST_LOGGED) + b"end")
        self.assertTrue(kept.startswith(b"begin") and kept.endswith(b"end"))
        self.assertLess(len(kept), record.MOST_LOGGED + 100)

    def test_clocks_are_the_least_and_the_most(self):
        text = "# gpu pwr gtemp pclk\n# Idx W C MHz\n0 100 30 345\n0 690 - 1980\n"
        self.assertEqual(clocks.read_clocks(text),
                         {"power_w": [100, 690], "celsius": [30, 30], "sm_mhz": [345, 1980]})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
