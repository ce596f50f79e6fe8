"""thread.py - the way of a thread through the code; the rules are in __init__.py."""
import re

from .code import Operand, find_address, parse
from .floats import Floats
from .integers import Integers
from .memory import Memory
from .values import M32, PT, RZ, Lost, signed

PARAMETERS = 0x210  # where arguments begin in the constants of bank 0
JUMPS = ("BRA", "BRX", "CALL", "EXIT", "RET")


class Thread(Integers, Floats, Memory):
    """One thread of a launch. run() follows it to its end and counts in self.counts, one for
    each instruction of the code."""

    def __init__(self, code, labels, banks, memory, block, thread=0):
        self.rows, self.labels = code, labels
        self.code = [None] * len(code)
        self.index_at = {row[0]: k for k, row in enumerate(code)}
        self.banks, self.memory = banks, memory
        self.block, self.thread = block, thread
        self.registers = [0] * 320  # by the rule `unset`
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
                ins = self.code[k] = self.prepare(self.rows[k])
            self.counts[k] += 1
            self.guard = True if ins.guard is None else self.get_predicate(ins.guard)
            if ins.name in JUMPS:
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

    def prepare(self, row):
        """An instruction with the method that does it, if one does."""
        ins = parse(row, self.labels)
        ins.do = getattr(Thread, ins.step, None)
        if ins.do is None and not ins.is_opaque and ins.name not in JUMPS:
            raise Lost(f"an instruction that is not known here: {ins.text}")
        return ins

    def jump(self, k, ins):
        name, taken = ins.name, self.guard
        if name == "BRA" and "DIV" in ins.mods:
            return k + 1  # by the rule `together`
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
        """Whether a branch is taken whose condition is not known, by the rule `call`."""
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
