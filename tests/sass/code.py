"""code.py - the text of a disassembly, as instructions with operands."""
import re

from .values import M32, P, PT, R, RZ, UP, UR, Lost, bits_of


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
                 "step", "is_opaque", "dests", "sources")


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
    ins.target = ins.do = None
    rest = re.sub(r"\(\*.*\*\)", "", rest).strip()
    ins.operands = split_operands(rest)
    if found := re.search(r"`\(([^)]*)\)", rest):
        ins.target = labels.get(found[1])
    ins.kind = find_kind(ins.name)
    name = ins.name[1:] if ins.name in UNIFORM else ins.name
    ins.step = "do_" + name.lower()
    ins.is_opaque = name in OPAQUE or name in NOTHING
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
# Which write neither registers nor predicates of those that come first.
STORES = {"STS", "STG", "BAR", "LDGSTS", "BRA", "BRX", "CALL", "RET", "EXIT", "R2P"}
# Which change nothing that a thread could see.
NOTHING = {"NOP", "BSSY", "BSYNC", "BREAK", "WARPSYNC", "DEPBAR", "LDGDEPBAR", "YIELD",
           "ENDCOLLECTIVE", "REDG", "RED", "MEMBAR", "ERRBAR", "CCTL", "PREFETCH"}


def count_dests(ins, name):
    """How many registers an instruction writes from the first on."""
    if name in NOTHING or name in STORES or name in ("ISETP", "FSETP", "PLOP3"):
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
    """((first register or None, how many, predicates written), the sources after them)"""
    operands = [Operand(text) if "[" not in text or text.startswith("c[") else text
                for text in ins.operands if not text.startswith("`")]
    registers = count_dests(ins, name)
    first, predicates, k = None, [], 0
    if name in NOTHING or name in STORES:
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
