#!/usr/bin/env python3
"""executed.py - how many instructions the kernels execute, by their machine code.

    tests/executed.py CODE LIST_LAUNCHES [--update]

CODE is a folder with a file .cubin and a disassembly .sass of each kernel source, for sm_90 (as
tests/check_kernels.sh makes them); LIST_LAUNCHES the program of tests/simt that says what the
library launches for calls of real sizes. One thread of each launch, the first of the middle block,
is followed from its first instruction to its last (tests/sass); what it executes, times the
threads of the launch, is what the launch executes. The table tests/data/executed.txt has that for
8 elements of the operator: not 2 % more, in all and for each unit, and as many bytes stored.
--update writes the table anew; bench/limits.py makes times of it.

A kernel that a call launches several times is one row. Instructions whose predicate is false count,
for they are issued. The followed thread is the first of its warp and of its block, and does what
others need not: where a row has several warps it stores the numbers of the row, which is 4 % of
norm and 9 % of norm_means. Not counted is what other threads of its warp do on another way, as at
the ends of rows, and ties, which one group in 8,192 has.
"""
import argparse
import collections
import pathlib
import re
import struct
import subprocess
import sys

import sass

TABLE = pathlib.Path(__file__).parent / "data" / "executed.txt"
COLUMNS = ("instructions", "multiplications", "other-integer", "special", "tensor", "stored-bytes")
MORE = 1.02  # what a number of instructions may grow by


# ---- What there is --------------------------------------------------------------------------

def read_sections(cubin):
    """The constants of a file in ELF, as {section: bytes}."""
    data = cubin.read_bytes()
    start, = struct.unpack_from("<Q", data, 0x28)
    count, names = struct.unpack_from("<HH", data, 0x3C)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * k) for k in range(count)]
    sections = {}
    for header in headers:
        at = headers[names][4] + header[0]
        name = data[at:data.index(b"\0", at)].decode()
        if name.startswith(".nv.constant"):
            sections[name] = data[header[4]:header[4] + header[5]]
    return sections


def read_code(folder):
    """{mangled name: ((instructions, labels), constants of the file)}"""
    kernels = {}
    for text in sorted(folder.glob("*.sass")):
        sections = read_sections(text.with_suffix(".cubin"))
        for name, code in sass.read_kernels(text.read_text(encoding="utf-8")).items():
            kernels[name] = code, sections
    return kernels


def read_names(program):
    """{place: name} of the functions of a program."""
    lines = [line.split() for line in run("nm", program).splitlines()]
    return {int(words[0], 16): words[2] for words in lines if len(words) == 3}


def run(*command, text=None):
    return subprocess.run([str(word) for word in command], check=True, input=text,
                          stdout=subprocess.PIPE, encoding="utf-8").stdout


def shorten(names):
    """{mangled: as in tests/data/kernels.txt}"""
    names = sorted(set(names))
    short = {}
    for name, line in zip(names, run("c++filt", text="\n".join(names)).splitlines()):
        line = re.sub(r"\([^()]*\)", "", line.replace("void ", "", 1).replace("cudropi_", ""))
        short[name] = line.replace(" >", ">").replace(", ", ",")
    return short


# ---- What a launch executes -------------------------------------------------------------------

class Memory:
    """What list_launches says of memory, in pieces of 256 bytes; the rest is not known."""

    def __init__(self):
        self.pieces = {}

    def add(self, at, data):
        if at % 256:
            raise sass.Lost(f"memory at {at:#x}")
        for k in range(0, len(data), 256):
            self.pieces[at + k >> 8] = data[k:k + 256]

    def __call__(self, at, size):
        piece, at = self.pieces.get(at >> 8, b""), at & 255
        return piece[at:at + size] if at + size <= len(piece) else None


def follow(code, sections, name, launch, memory):
    """The thread of a launch, at its end."""
    grid, threads, arguments = launch
    constants = bytearray(sass.PARAMETERS) + arguments
    struct.pack_into("<6I", constants, 0, threads, 1, 1, *grid)
    if len(constants) != len(sections[f".nv.constant0.{name}"]):
        raise sass.Lost(f"{len(arguments)} bytes of arguments")
    banks = {0: bytes(constants)}
    for bank in (2, 3, 4):
        if f".nv.constant{bank}.{name}" in sections:
            banks[bank] = sections[f".nv.constant{bank}.{name}"]
    thread = sass.Thread(*code, banks, memory, [blocks // 2 for blocks in grid])
    thread.run()
    return thread


def count(thread):
    """What it has executed, in the order of COLUMNS."""
    sums = [0, 0, 0, 0, 0]
    for ins, times in zip(thread.code, thread.counts):
        sums[0] += times
        if times and ins.kind is not None:
            sums[1 + ins.kind] += times
    return sums + [thread.stored]


def count_all(kernels, program):
    """{(operator, type, kernel): numbers for 8 elements}"""
    names, memory = read_names(program), Memory()
    case, rows = None, collections.OrderedDict()
    for line in run(program).splitlines():
        word, *rest = line.split()
        if word == "case":
            case = rest
        elif word == "memory":
            memory.add(int(rest[0], 16), bytes.fromhex(rest[1]))
        else:
            name, grid = names[int(rest[0], 16)], [int(n) for n in rest[1].split(",")]
            launch = grid, int(rest[2]), bytes.fromhex(rest[3])
            try:
                numbers = count(follow(*kernels[name], name, launch, memory))
            except (sass.Lost, KeyError) as error:
                raise sass.Lost(f"{case[0]} {case[1]}: {name}: {error}") from error
            share = grid[0] * grid[1] * grid[2] * launch[1] * 8 / int(case[2])
            row = rows.setdefault((case[0], case[1], name), [0.0] * len(COLUMNS))
            for k, number in enumerate(numbers):
                row[k] += number * share
    short = shorten(name for _, _, name in rows)
    return {(operator, dtype, short[name]): row for (operator, dtype, name), row in rows.items()}


# ---- The table --------------------------------------------------------------------------------

def read_table():
    rows = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            operator, dtype, kernel, *numbers = line.split()
            rows[operator, dtype, kernel] = [float(number) for number in numbers]
    return rows


def write_table(rows):
    with TABLE.open("w", encoding="utf-8") as table:
        print("# What the kernels execute for sm_90, for 8 elements; see tests/executed.py.",
              file=table)
        print("# operator type kernel", *COLUMNS, file=table)
        for key, numbers in rows.items():
            print(*key, *(f"{number:.2f}" for number in numbers), file=table)


def compare(now, then):
    """The sentences that say what is wrong."""
    for key in [*now, *(key for key in then if key not in now)]:
        name = " ".join(key)
        if key not in then or key not in now:
            yield f"{name}: is {'executed' if key in now else 'in the table'}, and " \
                  f"{'not in the table' if key in now else 'is not executed'}"
            continue
        for column, new, old in zip(COLUMNS[:-1], now[key], then[key]):
            if new > old * MORE + 0.005:
                yield f"{name}: {new:.2f} {column} for 8 elements, was {old:.2f}"
        if abs(now[key][-1] - then[key][-1]) > 0.01:
            yield f"{name}: stores {now[key][-1]:.2f} bytes for 8 elements, was {then[key][-1]:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("code", type=pathlib.Path, help="folder of .cubin and .sass")
    parser.add_argument("list_launches", type=pathlib.Path, help="tests/simt's program")
    parser.add_argument("--update", action="store_true", help="write the table anew")
    options = parser.parse_args()
    try:
        now = count_all(read_code(options.code), options.list_launches)
    except sass.Lost as lost:
        sys.exit(f"a thread cannot be followed: {lost}")
    if options.update:
        write_table(now)
        return
    wrong = list(compare(now, read_table()))
    for sentence in wrong:
        print(sentence)
    print(len(now), "kernels followed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
