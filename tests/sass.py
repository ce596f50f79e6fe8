"""sass.py - one thread of a kernel, followed through its machine code for sm_90.

A thread has registers, predicates, the arguments of its launch, and what it has itself stored in
shared memory. A value is a number, or None where it is not known: what is loaded from memory, what
comes of it, what other threads say. Integers are computed; of floats only what integer divisions
need. What is not known decides no branch, but for the rules in Thread.guess(); where no rule
applies, or an instruction is none of those below, the walk ends with an exception: so a number
cannot be that of a path that nobody chose.
"""
import re
import struct

M32 = 0xFFFFFFFF
R, UR, P, UP = 0, 256, 0, 8  # where the four files begin among registers and predicates
RZ, PT = 255, 7
PARAMETERS = 0x210  # where arguments begin in the constants of bank 0


class Lost(Exception):
    """The walk cannot go on: an instruction, or a branch, that nothing here decides."""


def signed(value, bits=32):
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def float_of(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def bits_of(value):
    try:
        return struct.unpack("<I", struct.pack("<f", value))[0]
    except OverflowError:
        return 0x7F800000 if value > 0 else 0xFF800000


def half_bits(text):
    return struct.unpack("<H", struct.pack("<e", float(text)))[0]


# ---- Text ---------------------------------------------------------------------------------

class Operand:
    """A source: a register, predicate, constant or immediate, with its modifiers."""
    __slots__ = ("kind", "index", "bank", "minus", "invert", "part", "offset", "text")

    def __init__(self, text):
        self.text = text
        self.minus = self.invert = False
        self.part = self.bank = None
        self.index = self.offset = 0
        body = text.replace(".reuse", "")
        if body.startswith("-") and not re.match(r"-[\d.]", body):
            self.minus, body = True, body[1:]
        if body.startswith(("~", "!")):
            self.invert, body = True, body[1:]
        if body.startswith("|"):
            self.kind = "?"
        elif found := re.fullmatch(r"(U?)R(\d+|Z)((?:\.\w+)*)", body):
            self.kind = "r"
            self.index = RZ if found[2] == "Z" else int(found[2]) + (UR if found[1] else R)
            self.part = found[3] or None
            if self.part == ".U32":
                self.part = None
            if self.part is not None:
                self.kind = "?"
        elif found := re.fullmatch(r"(U?)P([0-6T])", body):
            self.kind = "p"
            self.index = PT if found[2] == "T" else int(found[2]) + (UP if found[1] else P)
        elif found := re.fullmatch(r"c\[(0x\w+)\]\[(.*)\]", body):
            self.kind, self.bank = "c", int(found[1], 16)
            self.index, self.offset = find_address(found[2])
        elif re.fullmatch(r"-?0x[0-9a-f]+", body):
            self.kind, self.index = "i", int(body, 16) & M32
        elif re.fullmatch(r"-?\d+", body):
            self.kind, self.index = "i", int(body)
        elif re.fullmatch(r"-?(\d[\d.e+-]*|\+?INF|\+?QNAN).*", body):
            self.kind, self.index = "i", bits_of(float(body.replace("+", "").replace("Q", "")))
        else:
            self.kind = "?"


def find_address(text):
    """The registers and the offset of what stands between brackets: R4.64+UR5+0x10."""
    registers, offset = [], 0
    for part in text.replace("+-", "+!").split("+"):
        if part.startswith("!"):
            offset -= int(part[1:], 16)
        elif part.startswith(("0x", "-0x")):
            offset += int(part, 16)
        elif found := re.fullmatch(r"(U?)R(\d+|Z)(\.64|\.U32|\.X\d+)?(\.reuse)?", part):
            if found[2] != "Z":
                wide = found[3] == ".64"
                if found[3] and found[3].startswith(".X"):
                    raise Lost(f"an address {text}")
                registers.append((int(found[2]) + (UR if found[1] else R), wide))
        elif part:
            raise Lost(f"an address {text}")
    return tuple(registers), offset


class Instruction:
    __slots__ = ("at", "text", "name", "mods", "guard", "operands", "target", "kind", "do",
                 "dests", "sources", "address")


LINE = re.compile(r"^\s+/\*([0-9a-f]+)\*/\s+(?:@(!?U?P[0-9T])\s+)?([A-Z0-9_a-z.]+)\s*(.*?)\s*;\s*$")


def split_operands(text):
    parts, depth, part = [], 0, ""
    for letter in text:
        depth += letter in "[(" and 1 or (letter in "])" and -1 or 0)
        if letter == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += letter
    if part.strip():
        parts.append(part.strip())
    return parts


MULTIPLY = re.compile(r"IMAD|IDP")
INTEGER = re.compile(r"(IADD3?|IABS|LOP3|ISETP|FSETP|FSET|PLOP3|SEL|FSEL|PRMT|SHF|LEA|VIMNMX3?|VIADD|"
                     r"VIADDMNMX|FMNMX|POPC|FLO|I2F|F2I|F2F|I2FP|F2FP|R2P|P2R|HMNMX2|VOTE)$")
SPECIAL = re.compile(r"MUFU$")


def find_kind(name):
    """The unit that is busy with an instruction: 0 multiplies integers, 1 does other work with
    them, 2 has the special functions, 3 the matrices; None: no unit that is counted."""
    for kind, pattern in enumerate((MULTIPLY, INTEGER, SPECIAL, re.compile("HMMA$"))):
        if pattern.match(name):
            return kind
    return None


def read_kernels(text):
    """The functions of a disassembly, as {mangled name: (instructions, labels)}."""
    kernels, code, labels = {}, None, None
    for line in text.splitlines():
        if line.startswith(".text."):
            code, labels = [], {}
            kernels[line[6:].rstrip(":")] = code, labels
        elif code is not None and (found := LINE.match(line)):
            code.append((int(found[1], 16), found[2], found[3], found[4]))
        elif code is not None and line.endswith(":") and not line.startswith((" ", "\t")):
            labels[line[:-1]] = len(code)
    return kernels


def parse(row, labels):
    at, guard, opcode, rest = row
    ins = Instruction()
    ins.at, ins.text = at, f"{opcode} {rest}"
    ins.name, *mods = opcode.split(".")
    ins.mods = frozenset(mods)
    ins.guard = Operand(guard) if guard else None
    ins.target = ins.address = None
    rest = re.sub(r"\(\*.*\*\)", "", rest).strip()
    ins.operands = split_operands(rest)
    if found := re.search(r"`\(([^)]*)\)", rest):
        ins.target = labels.get(found[1])
    ins.kind = find_kind(ins.name)
    name = ins.name[1:] if ins.name in UNIFORM else ins.name
    ins.do = getattr(Thread, "do_" + name.lower(), None)
    if ins.do is None and name not in OPAQUE and name not in NOTHING:
        ins.do = Thread.do_unknown
    ins.dests, ins.sources = split_dests(ins, name)
    return ins


# Those that have a twin of the same name for values that all threads of a warp share.
UNIFORM = {"UIADD3", "UIMAD", "ULEA", "ULOP3", "UMOV", "UPLOP3", "UPRMT", "USEL", "USHF",
           "UISETP", "ULDC", "UP2UR", "UFLO", "UPOPC"}
# Whose results are not known; how many registers they write.
OPAQUE = {"FMNMX": 1, "FSET": 1, "FCHK": 0, "HADD2": 1,
          "HMUL2": 1, "F2FP": 1, "F2F": 1, "DADD": 2, "DMUL": 2, "DFMA": 2, "DSETP": 0,
          "HMMA": 4, "LDSM": 4, "SHFL": 1, "I2FP": 1, "IDP": 1, "HMNMX2": 1, "FSWZADD": 1, "ATOMS": 1,
          "ATOMG": 1, "B2R": 1, "HSETP2": 0}
# Which change nothing that a thread could see.
NOTHING = {"NOP", "BSSY", "BSYNC", "BREAK", "WARPSYNC", "DEPBAR", "LDGDEPBAR", "YIELD",
           "ENDCOLLECTIVE", "REDG", "RED", "MEMBAR", "ERRBAR", "CCTL", "PREFETCH"}


def count_dests(ins, name):
    """How many registers an instruction writes from the first on."""
    if name in NOTHING or name in ("STS", "STG", "BAR", "LDGSTS", "BRA", "BRX", "EXIT", "CALL", "RET", "ISETP", "FSETP",
                                   "PLOP3", "R2P"):
        return 0
    if name in ("LDG", "LDS", "LDC", "LDL", "ATOMS", "ATOMG"):
        return 4 if "128" in ins.mods else 2 if "64" in ins.mods else 1
    if name == "LDSM":
        return 4 if "4" in ins.mods else 2 if "2" in ins.mods else 1
    if name == "F2F":
        return 2 if "F64" in ins.mods and "F64.F32" in ins.text else 1
    if name == "HMMA":
        return 4 if "F32" in ins.mods else 2
    if name == "IMAD":
        return 2 if "WIDE" in ins.mods else 1
    if name == "CS2R":
        return 1 if "32" in ins.mods else 2
    if name == "F2I":
        return 2 if "U64" in ins.mods or "S64" in ins.mods else 1
    return OPAQUE.get(name, 1)


def split_dests(ins, name):
    """(first register or None, how many, predicates written), and the sources after them."""
    operands = [Operand(text) if "[" not in text or text.startswith("c[") else text
                for text in ins.operands if not text.startswith("`")]
    registers = count_dests(ins, name)
    first, predicates, k = None, [], 0
    if name in ("STS", "STG", "BAR", "LDGSTS", "BRA", "BRX", "CALL", "RET", "EXIT", "R2P") or name in NOTHING:
        return (None, 0, ()), operands
    takes = 2 if name in ("ISETP", "FSETP", "DSETP", "PLOP3", "HSETP2") else 1 if name == "FCHK" else 0
    while k < len(operands) and isinstance(operands[k], Operand) and operands[k].kind == "p" and (
            registers == 0 and k < takes or registers > 0):
        predicates.append(operands[k].index)
        k += 1
    if registers:
        if not isinstance(operands[k], Operand) or operands[k].kind != "r":
            raise Lost(f"what is written: {ins.text}")
        first = operands[k].index
        k += 1
        while (k < len(operands) and isinstance(operands[k], Operand) and operands[k].kind == "p"
               and not operands[k].invert
               and name in ("IADD3", "IMAD", "LEA", "VIMNMX", "VOTE", "VOTEU")
               and k < len(operands) - (1 if name.startswith("VOTE") else 2)):
            predicates.append(operands[k].index)
            k += 1
    return (first, registers, tuple(predicates)), operands[k:]


# ---- A thread -------------------------------------------------------------------------------

class Thread:
    """One thread of a launch. run() follows it to its end and counts in self.counts, one for
    each instruction of the code."""

    def __init__(self, code, labels, banks, memory, block, thread=0):
        self.rows, self.labels = code, labels
        self.code = [None] * len(code)
        self.index_at = {row[0]: k for k, row in enumerate(code)}
        self.banks, self.memory = banks, memory
        self.block, self.thread = block, thread
        self.registers = [0] * 320  # what nobody wrote is read where its bits do not matter
        self.predicates = [None] * 16
        self.predicates[PT] = True
        self.shared = {}
        self.counts = [0] * len(code)
        self.guesses = {}
        self.stored = 0  # bytes, to global memory

    # -- values

    def get(self, operand):
        kind = operand.kind
        if kind == "r":
            value = self.registers[operand.index]
        elif kind == "i":
            value = operand.index
        elif kind == "c":
            value = self.constant(operand.bank, operand.index, operand.offset, 4)
        else:
            return None
        if value is None:
            return None
        if operand.minus:
            value = -value & M32
        if operand.invert:
            value = ~value & M32
        return value

    def get_predicate(self, operand):
        value = self.predicates[operand.index]
        return None if value is None else value != operand.invert

    def get_wide(self, operand):
        """A pair of registers as one number of 64 bits."""
        if operand.kind == "r" and operand.index != RZ:
            low, high = self.registers[operand.index], self.registers[operand.index + 1]
            return None if low is None or high is None else high << 32 | low
        return self.get(operand)

    def constant(self, bank, registers, offset, size):
        for index, _ in registers:
            value = self.registers[index]
            if value is None:
                return None
            offset += signed(value)
        data = self.banks.get(bank)
        if data is None or not 0 <= offset <= len(data) - size:
            raise Lost(f"constant {offset:#x} of bank {bank}")
        return int.from_bytes(data[offset:offset + size], "little")

    def address(self, text):
        """The address that stands between the last brackets of an operand, or None."""
        registers, offset = find_address(text[text.rindex("[") + 1:text.rindex("]")])
        for index, wide in registers:
            low = self.registers[index]
            if low is None or wide and self.registers[index + 1] is None:
                return None
            offset += low | self.registers[index + 1] << 32 if wide else low
        return offset

    def put(self, ins, values, predicates=()):
        """Write results, less what the guard forbids, or leaves open."""
        first, count, places = ins.dests
        values = tuple(values) + (None,) * (count - len(values))
        guard = self.guard
        for k in range(count):
            index = first + k
            if first == RZ:
                break
            if guard or (guard is None and self.registers[index] == values[k]):
                self.registers[index] = values[k]
            else:
                self.registers[index] = None
        predicates = tuple(predicates) + (None,) * (len(places) - len(predicates))
        for place, value in zip(places, predicates):
            if place == PT:
                continue
            self.predicates[place] = value if guard else None

    # -- the walk

    def run(self, most=20_000_000):
        k = 0
        for _ in range(most):
            ins = self.code[k]
            if ins is None:
                ins = self.code[k] = parse(self.rows[k], self.labels)
            self.counts[k] += 1
            self.guard = True if ins.guard is None else self.get_predicate(ins.guard)
            if ins.name in ("BRA", "EXIT", "CALL", "RET", "BRX"):
                k = self.jump(k, ins)
                if k is None:
                    return
                continue
            if self.guard is not False:
                if ins.do is not None:
                    ins.do(self, ins)
                elif ins.dests[1] or ins.dests[2]:
                    self.put(ins, ())
            k += 1
        raise Lost("the thread does not end")

    def jump(self, k, ins):
        name, taken = ins.name, self.guard
        if name == "BRA" and "DIV" in ins.mods:
            return k + 1  # the threads of a warp are together
        conditions = [o for o in ins.sources if isinstance(o, Operand) and o.kind == "p"]
        for operand in conditions:
            value = self.get_predicate(operand)
            taken = False if taken is False or value is False else None if None in (
                taken, value) else True
        if taken is None:
            taken = self.guess(k, ins)
        if not taken:
            return k + 1
        if name == "EXIT":
            return None
        if name in ("BRA", "CALL"):
            if ins.target is None:
                raise Lost(f"where to: {ins.text}")
            return ins.target
        register = Operand(ins.operands[0].split()[0])
        value = self.registers[register.index]
        if value is None or value not in self.index_at:
            raise Lost(f"where to: {ins.text}")
        return self.index_at[value]

    # -- branches on what is not known

    def guess(self, k, ins):
        """Whether a branch is taken whose condition is not known. The rules:

        call     A function outside the line is not called: it divides, or takes a root, where an
                 operand or a result is no ordinary number, or looks at a tie once more. A branch
                 that leads to a call alone is not taken, and one around a call alone is taken.
        equal    A float that is not known is not equal to one that is: no sum is 0 (do_fsetp).
        """
        if ins.name == "CALL":
            self.guesses[ins.at] = "call"
            return False
        if ins.name == "BRA":
            ahead, behind = self.calls(ins.target), self.calls(k + 1, ins.target)
            if ahead != behind:
                self.guesses[ins.at] = "call"
                return behind
        raise Lost(f"{ins.at:#x}: nothing decides {ins.text}")

    def calls(self, k, end=None):
        """Does the code from k on call, before it branches, or comes to `end`?"""
        while k != end:
            name, guard = self.rows[k][2].split(".")[0], self.rows[k][1]
            if name == "CALL":
                return True
            if name in ("EXIT", "RET", "BRX", "BSYNC") or name == "BRA":
                return False
            k += 1
        return False

    # -- integers

    def do_unknown(self, ins):
        raise Lost(f"an instruction that is not known here: {ins.text}")

    def values(self, ins, count):
        return [self.get(o) for o in ins.sources[:count]]

    def do_mov(self, ins):
        self.put(ins, (self.get(ins.sources[0]),))

    do_r2ur = do_mov

    def do_cs2r(self, ins):
        known = ins.operands[-1] == "SRZ"
        self.put(ins, (0, 0) if known else ())

    def do_s2r(self, ins):
        name = ins.operands[-1]
        x, y, z = self.block
        value = {"SR_TID.X": self.thread, "SR_TID.Y": 0, "SR_TID.Z": 0, "SR_CTAID.X": x,
                 "SR_CTAID.Y": y, "SR_CTAID.Z": z, "SR_LANEID": self.thread & 31, "SR_CgaCtaId": 0}
        self.put(ins, (value.get(name),))

    do_s2ur = do_s2r

    def do_ldc(self, ins):
        operand = ins.sources[0]
        size = 1 if ins.mods & {"U8", "S8"} else 2 if ins.mods & {"U16", "S16"} else 4 * ins.dests[1]
        value = self.constant(operand.bank, operand.index, operand.offset, size)
        if value is None or ins.mods & {"S8", "S16"}:
            return self.put(ins, ())
        self.put(ins, [value >> 32 * k & M32 for k in range(ins.dests[1])])

    def do_iadd3(self, ins):
        values = self.values(ins, 3)
        carry = 0
        if "X" in ins.mods:
            for operand in ins.sources[3:]:
                value = self.get_predicate(operand)
                carry = None if value is None or carry is None else carry + value
        if None in values or carry is None:
            return self.put(ins, ())
        # A carry of -a is that of ~a + 1.
        total = sum(values) + carry
        for operand, value in zip(ins.sources, values):
            if operand.minus and value == 0:
                total += 1 << 32
        self.put(ins, (total & M32,), (total >> 32 > 0, total >> 32 > 1))

    def do_viadd(self, ins):
        a, b = self.values(ins, 2)
        self.put(ins, () if None in (a, b) else ((a + b) & M32,))

    def do_imad(self, ins):
        mods = ins.mods
        a, b = self.get(ins.sources[0]), self.get(ins.sources[1])
        c = self.get_wide(ins.sources[2]) if mods & {"WIDE", "HI"} else self.get(ins.sources[2])
        if a == 0 or b == 0:
            a, b = 0, 0
        if None in (a, b, c):
            return self.put(ins, ())
        if "U32" not in mods:
            a, b = signed(a), signed(b)
        carry = 0
        if "X" in mods:
            carry = self.get_predicate(ins.sources[3])
            if carry is None:
                return self.put(ins, ())
        if mods & {"WIDE", "HI"}:
            total = a * b + c + carry
            carries = (total >> 64 > 0,)
            total &= (1 << 64) - 1
            return self.put(ins, (total >> 32,) if "HI" in mods else (total & M32, total >> 32),
                            carries)
        self.put(ins, ((a * b + c + carry) & M32,))

    def do_lea(self, ins):
        sources = ins.sources
        carry = 0
        if "X" in ins.mods:
            carry = self.get_predicate(sources[-1])
            sources = sources[:-1]
        a, b, shift = self.get(sources[0]), self.get(sources[1]), sources[-1].index
        if "HI" in ins.mods:
            high = (None if a is None else (M32 if a >> 31 else 0)) if "SX32" in ins.mods else \
                self.get(sources[2])
            a = None if None in (a, high) else ((high << 32 | a) << shift) >> 32 & M32
        elif a is not None:
            a = a << shift & M32
        if None in (a, b, carry):
            return self.put(ins, ())
        total = a + b + carry
        if sources[0].minus and "HI" in ins.mods:
            raise Lost(f"a pair less than nothing: {ins.text}")
        for operand, value in ((sources[0], a), (sources[1], b)):
            if operand.minus and value == 0:
                total += 1 << 32
        self.put(ins, (total & M32,), (total >> 32 > 0,))

    @staticmethod
    def look_up(table, a, b, c):
        result = 0
        for k in range(8):
            if table >> k & 1:
                result |= (a if k & 4 else ~a) & (b if k & 2 else ~b) & (c if k & 1 else ~c)
        return result & M32

    def do_lop3(self, ins):
        a, b, c = self.values(ins, 3)
        table = ins.sources[3].index
        # What does not matter need not be known: each is tried as all zeros and all ones.
        results = {self.look_up(table, x, y, z)
                   for x in ((a,) if a is not None else (0, M32))
                   for y in ((b,) if b is not None else (0, M32))
                   for z in ((c,) if c is not None else (0, M32))}
        value = results.pop() if len(results) == 1 else None
        self.put(ins, (value,), (None if value is None else value != 0,))

    def do_plop3(self, ins):
        values = [self.get_predicate(o) for o in ins.sources[:3]]

        def look(table):
            results = {table >> (4 * x + 2 * y + z) & 1
                       for x in ((values[0],) if values[0] is not None else (0, 1))
                       for y in ((values[1],) if values[1] is not None else (0, 1))
                       for z in ((values[2],) if values[2] is not None else (0, 1))}
            return bool(results.pop()) if len(results) == 1 else None
        self.put(ins, (), (look(ins.sources[3].index), look(ins.sources[4].index)))

    def do_shf(self, ins):
        low, shift, high = self.values(ins, 3)
        mods = ins.mods
        left, is_high = "L" in mods, "HI" in mods
        if left and not is_high or not left and is_high and "W" not in mods and \
                shift is not None and shift < 32:
            # One of the words is enough.
            if left:
                high = 0
            elif "S32" in mods or "U32" in mods:
                low = 0
        if None in (low, shift, high):
            return self.put(ins, ())
        wide = bool(mods & {"U64", "S64"})
        if "W" in mods:
            shift &= 63 if wide else 31
        else:
            shift = min(shift, 64 if wide else 32)
        value = high << 32 | low
        if left:
            value <<= shift
        else:
            if mods & {"S32", "S64"}:
                value = signed(value, 64)
            value >>= shift
        self.put(ins, ((value >> 32 if is_high else value) & M32,))

    def do_sel(self, ins):
        a, b = self.get(ins.sources[0]), self.get(ins.sources[1])
        which = self.get_predicate(ins.sources[2])
        value = a if which or a == b else b
        self.put(ins, () if which is None and a != b else (value,))

    do_fsel = do_sel

    def compare(self, ins, a, b, lower=None):
        mods = ins.mods
        if None in (a, b):
            return None
        if "U32" not in mods:
            a, b = signed(a), signed(b)
        if "EX" in mods and a == b:
            return lower
        for name, result in (("GE", a >= b), ("GT", a > b), ("LE", a <= b), ("LT", a < b),
                             ("EQ", a == b), ("NE", a != b)):
            if name in mods:
                return result if "EX" not in mods or a != b else lower
        raise Lost(f"a comparison {ins.text}")

    def do_isetp(self, ins):
        a, b = self.values(ins, 2)
        lower = self.get_predicate(ins.sources[3]) if "EX" in ins.mods else None
        result = self.compare(ins, a, b, lower)
        other = self.get_predicate(ins.sources[2])

        def combine(x, y):
            if "AND" in ins.mods:
                return False if x is False or y is False else None if None in (x, y) else True
            if "OR" in ins.mods:
                return True if x or y else None if None in (x, y) else False
            return None
        inverse = None if result is None else not result
        self.put(ins, (), (combine(result, other), combine(inverse, other)))

    def do_vimnmx(self, ins):
        count = 3 if ins.name == "VIMNMX3" else 2
        values = self.values(ins, count)
        if None in values:
            return self.put(ins, ())
        least = not ins.sources[count].invert
        pick = min if least else max
        if "U16x2" in ins.mods:
            self.put(ins, (pick(v >> 16 for v in values) << 16 | pick(v & 0xFFFF for v in values),))
            return
        if "U32" not in ins.mods:
            values = [signed(v) for v in values]
        value = pick(values)
        self.put(ins, (max(value, 0) if "RELU" in ins.mods else value & M32,))

    do_vimnmx3 = do_vimnmx

    def do_viaddmnmx(self, ins):
        a, b, c = self.values(ins, 3)
        if None in (a, b, c):
            return self.put(ins, ())
        total = (a + b) & M32
        if "U32" not in ins.mods:
            total, c = signed(total), signed(c)
        value = (max if ins.sources[3].invert else min)(total, c)
        self.put(ins, ((max(value, 0) if "RELU" in ins.mods else value) & M32,))

    def do_prmt(self, ins):
        a, select, b = self.values(ins, 3)
        if None in (a, select, b) or len(ins.mods):
            return self.put(ins, ())
        data = (b << 32 | a).to_bytes(8, "little")
        value = 0
        for k in range(4):
            nibble = select >> 4 * k & 15
            byte = data[nibble & 7]
            value |= (byte if nibble < 8 else 255 if byte >> 7 else 0) << 8 * k
        self.put(ins, (value,))

    def do_popc(self, ins):
        value = self.get(ins.sources[0])
        self.put(ins, () if value is None else (value.bit_count(),))

    def do_flo(self, ins):
        value = self.get(ins.sources[0])
        known = value is not None and not ins.mods - {"U32"}
        self.put(ins, ((value.bit_length() - 1) & M32,) if known else ())

    def do_iabs(self, ins):
        value = self.get(ins.sources[0])
        self.put(ins, () if value is None else (abs(signed(value)) & M32,))

    def do_p2r(self, ins):
        mask = ins.sources[-1].index
        first = UP if ins.name == "UP2UR" else P
        bits = self.predicates[first:first + 7]
        known = all(bits[k] is not None for k in range(7) if mask >> k & 1)
        old = self.get(ins.sources[-2])
        if not known or old is None or ins.mods:
            return self.put(ins, ())
        self.put(ins, (old & ~mask | sum(1 << k for k in range(7) if mask >> k & 1 and bits[k]),))

    do_p2ur = do_p2r

    def do_r2p(self, ins):
        text, mask = ins.operands[1].replace(".reuse", ""), ins.sources[-1].index
        byte = 0
        if found := re.search(r"\.B(\d)$", text):
            byte, text = int(found[1]), text[:found.start()]
        value = self.get(Operand(text))
        for k in range(7):
            if mask >> k & 1:
                self.predicates[k] = None if value is None or not self.guard else bool(
                    value >> 8 * byte + k & 1)

    def do_vote(self, ins):
        """A vote in which all threads of the warp vote as this one."""
        value = self.get_predicate(ins.sources[-1])
        self.put(ins, () if value is None else (M32 if value else 0,), (value,))

    do_voteu = do_vote

    # -- floats, of arguments, and as far as integer divisions need them

    def floats(self, ins, count):
        """The first sources as numbers, or None if one is not known. Of what is 0 or less than
        an ordinary number nothing is said, as a kernel may flush it."""
        numbers = []
        for operand in ins.sources[:count]:
            if operand.minus:
                self_minus, operand.minus = True, False
                bits = self.get(operand)
                operand.minus = self_minus
                number = None if bits is None else -float_of(bits)
            else:
                bits = self.get(operand)
                number = None if bits is None else float_of(bits)
            if number is None or number != number:
                return None
            numbers.append(number)
        return numbers

    def do_fmul(self, ins):
        numbers = self.floats(ins, 2)
        known = numbers is not None and not ins.mods & {"RM", "RP", "RZ", "SAT"}
        self.put(ins, (bits_of(numbers[0] * numbers[1]),) if known else ())

    def do_fadd(self, ins):
        numbers = self.floats(ins, 2)
        known = numbers is not None and not ins.mods & {"RM", "RP", "RZ", "SAT"}
        self.put(ins, (bits_of(numbers[0] + numbers[1]),) if known else ())

    def do_ffma(self, ins):
        self.put(ins, ())

    def do_fsetp(self, ins):
        numbers = self.floats(ins, 2)
        other = self.get_predicate(ins.sources[2])
        if other is not True or "AND" not in ins.mods:
            return self.put(ins, ())
        if numbers is None:
            known = [self.get(operand) is not None for operand in ins.sources[:2]]
            if ins.mods & {"NEU", "NE", "EQ", "EQU"} and any(known):
                self.guesses[ins.at] = "equal"
                differs = bool(ins.mods & {"NEU", "NE"})
                return self.put(ins, (), (differs, not differs))
            return self.put(ins, ())
        a, b = numbers
        for name, result in (("GE", a >= b), ("GT", a > b), ("LE", a <= b), ("LT", a < b),
                             ("EQ", a == b), ("NE", a != b)):
            if ins.mods & {name, name + "U"}:
                return self.put(ins, (), (result, not result))
        self.put(ins, ())

    def do_i2f(self, ins):
        wide = bool(ins.mods & {"U64", "S64"})
        source = ins.sources[0]
        value = self.get_wide(source) if wide else self.get(source)
        if value is None or ins.mods & {"F64", "F16", "BF16"}:
            return self.put(ins, ())
        if not ins.mods & {"U32", "U64"}:
            value = signed(value, 64 if wide else 32)
        bits = bits_of(float(value))
        if "RP" in ins.mods and float_of(bits) < value:
            bits += 1
        self.put(ins, (bits,))

    def do_f2i(self, ins):
        value = self.get(ins.sources[0])
        wide = ins.dests[1] == 2
        if value is None or not ins.mods & {"U32", "U64"} or "TRUNC" not in ins.mods:
            return self.put(ins, ())
        number = float_of(value)
        if not number < float(1 << 65):
            return self.put(ins, ())
        whole = min(max(int(number), 0), (1 << (64 if wide else 32)) - 1)
        self.put(ins, (whole & M32, whole >> 32)[:ins.dests[1]])

    def do_mufu(self, ins):
        value = self.get(ins.sources[0])
        if value is None or "RCP" not in ins.mods or not float_of(value) or "RCP64H" in ins.mods:
            return self.put(ins, ())
        self.put(ins, (bits_of(1.0 / float_of(value)),))

    def do_hfma2(self, ins):
        """A constant is made by it: -RZ * RZ + two halves."""
        texts = ins.operands[1:]
        if texts[:2] == ["-RZ", "RZ"] and len(texts) == 4:
            return self.put(ins, (half_bits(texts[2]) << 16 | half_bits(texts[3]),))
        self.put(ins, ())

    # -- memory

    def do_lds(self, ins):
        at = self.address(ins.operands[-1])
        if at is None or ins.mods & {"U8", "S8", "U16", "S16"}:
            return self.put(ins, ())
        self.put(ins, [self.shared.get(at + 4 * k) for k in range(ins.dests[1])])

    def do_sts(self, ins):
        at = self.address(ins.operands[0])
        if at is None or self.guard is None or ins.mods & {"U8", "U16", "S8", "S16"}:
            self.shared.clear()
            return
        source = ins.sources[1]
        for k in range(4 if "128" in ins.mods else 2 if "64" in ins.mods else 1):
            index = source.index + k if source.index != RZ else RZ
            self.shared[at + 4 * k] = self.registers[index] if source.kind == "r" else None

    def do_bar(self, _):
        """What this thread has written to shared memory stays: no other thread writes it anew."""

    def do_ldgsts(self, ins):
        at = self.address(ins.operands[0])
        if at is None:
            return self.shared.clear()
        for k in range(0, 16 if "128" in ins.mods else 8 if "64" in ins.mods else 4, 4):
            self.shared.pop(at + k, None)
        return None

    def do_stg(self, ins):
        if self.guard is None:
            raise Lost(f"nothing decides {ins.text}")
        sizes = {"128": 16, "64": 8, "U16": 2, "S16": 2, "U8": 1, "S8": 1}
        self.stored += next((sizes[mod] for mod in ins.mods if mod in sizes), 4)

    def do_ldg(self, ins):
        at = self.address(ins.operands[-1])
        size = 1 if ins.mods & {"U8", "S8"} else 2 if ins.mods & {"U16", "S16"} else 4 * ins.dests[1]
        data = None if at is None else self.memory(at, size)
        if data is None or ins.mods & {"S8", "S16"}:
            return self.put(ins, ())
        value = int.from_bytes(data, "little")
        self.put(ins, [value >> 32 * k & M32 for k in range(ins.dests[1])])
