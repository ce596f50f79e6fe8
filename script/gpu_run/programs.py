"""programs.py - the folder with the programs: built here, or built elsewhere and carried."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

CARRIED, BUILT = "build/carry", "build/gpu"
# What may be missing on a GPU's machine without a fault: for the examples that are tested, too.
OPTIONAL = r"lib(openblas|gfortran|quadmath|z|cublas|cublasLt|curand|cudnn)\.so"


def ask(command, **options):
    """Standard output and exit status of a command that is there or not."""
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, check=False, **options)
    except (OSError, subprocess.TimeoutExpired):
        return "", 127
    return ran.stdout, ran.returncode


# ---- suites -------------------------------------------------------------------------------

def list_tests(build, label):
    said, _ = ask(["ctest", "--test-dir", build, "-L", label, "--show-only=json-v1"])
    return json.loads(said)["tests"] if said else []


def describe_suites(build, source, label="gpu"):
    """CTest's tests of a label that are built, without the paths of this machine in them."""
    build, source, suites = os.path.abspath(build), os.path.abspath(source), []
    for test in list_tests(build, label):
        facts = {entry["name"]: entry["value"] for entry in test["properties"]}
        command = [word.replace(build, "{BUILD}").replace(source, "{SOURCE}")
                   for word in test.get("command", [])]
        if not command:
            continue
        if re.fullmatch(r"python[\d.]*", os.path.basename(command[0])):
            command[0] = "{PYTHON}"
        env = dict(entry.split("=", 1) for entry in facts.get("ENVIRONMENT", []))
        suites.append({
            "name": test["name"], "command": command,
            "env": {name: value.replace(build, "{BUILD}").replace(source, "{SOURCE}")
                    for name, value in env.items() if name != "CC"},
            "skipped": facts.get("SKIP_REGULAR_EXPRESSION", [])})
    return suites


def read_suites(folder, source):
    """Of a carried folder or a build, with the paths of this machine."""
    if os.path.exists(f"{folder}/suites.json"):
        with open(f"{folder}/suites.json", encoding="utf-8") as file:
            suites = json.load(file)
    else:
        suites = describe_suites(folder, source)
    places = {"{BUILD}": os.path.abspath(folder), "{SOURCE}": os.path.abspath(source),
              "{PYTHON}": sys.executable}

    def put(word):
        return re.sub(r"\{[A-Z]+\}", lambda found: places.get(found[0], found[0]), word)

    for suite in suites:
        suite["command"] = [put(word) for word in suite["command"]]
        suite["env"] = {name: put(value) for name, value in suite["env"].items()}
    return suites


def list_targets(build):
    """What the suites of a build run, as ninja names it, whether it is built or not."""
    build, targets = os.path.abspath(build), {"cudrop_cli"}
    for test in list_tests(build, "gpu"):
        words = test.get("command")
        if not words:
            targets.add(re.sub(r"_gpu$", "", test["name"]))
        else:
            targets.update(word[len(build) + 1:] for word in words if word.startswith(f"{build}/"))
    return sorted(targets)


# ---- libraries ----------------------------------------------------------------------------

def list_missing(program, library_path):
    """The libraries that a program asks for and that are not found."""
    said, _ = ask(["ldd", program], env={**os.environ, "LD_LIBRARY_PATH": library_path})
    return re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE)


def list_programs(folder):
    """Every program and library of a carried folder."""
    paths = [f"{at}/{name}" for at, _, names in os.walk(folder) for name in names]
    return sorted(path for path in paths if os.access(path, os.X_OK) and is_elf(path))


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def list_library_folders():
    """Where cuBLAS, cuRAND and cuDNN may lie: in a toolkit, or beside PyTorch."""
    roots = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"]
    folders = [f"{root}/{name}" for root in roots if root
               for name in ("lib64", "lib", "targets/x86_64-linux/lib")]
    for place in sys.path:
        folders += sorted(glob.glob(f"{glob.escape(place)}/nvidia/*/lib"))
    return [folder for folder in folders if os.path.isdir(folder)]


def find_libraries(folder):
    """A search path with what the programs of a folder need and the loader does not find."""
    before = os.environ.get("LD_LIBRARY_PATH")
    path = [os.path.abspath(folder), os.path.abspath(f"{folder}/lib")] + [before] * bool(before)
    missing = {name for program in list_programs(folder)
               for name in list_missing(program, ":".join(path))}
    for name in sorted(missing):
        places = [place for place in list_library_folders() if os.path.exists(f"{place}/{name}")]
        path += [place for place in places[:1] if place not in path]
    return ":".join(path)


# ---- packing ------------------------------------------------------------------------------

def list_packed(build, suites):
    """The files of a build that its suites, the measurements and the peers run."""
    words = [word for suite in suites for word in suite["command"]]
    paths = {word[len("{BUILD}/"):] for word in words if word.startswith("{BUILD}/")}
    paths.update(["cudrop"])
    paths.update(name for name in os.listdir(build)
                 if re.fullmatch(r"libcudrop\.so\.\d+(\.\d+)?", name))  # by its SONAME
    paths.update(os.path.relpath(path, build) for path in list_programs(f"{build}/bench/peers"))
    return sorted(path for path in paths if os.path.isfile(f"{build}/{path}"))


def pack(build, folder, suites, commit):
    """Make a folder of a build's programs, stripped, with their suites in a list."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in list_packed(build, suites):
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        subprocess.run(["strip", "-o", f"{folder}/{path}", f"{build}/{path}"], check=True)
        for name, place in re.findall(r"^\s*(lib(?:check|subunit)\S*) => (\S+)",
                                      ask(["ldd", f"{build}/{path}"])[0], re.MULTILINE):
            os.makedirs(f"{folder}/lib", exist_ok=True)
            shutil.copyfile(place, f"{folder}/lib/{name}")
    with open(f"{folder}/suites.json", "w", encoding="utf-8") as file:
        json.dump(suites, file, indent=1)
    with open(f"{folder}/commit", "w", encoding="utf-8") as file:
        file.write(f"{commit}\n")


def count_bytes(folder):
    return sum(os.path.getsize(f"{at}/{name}") for at, _, names in os.walk(folder)
               for name in names)
