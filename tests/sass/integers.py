"""integers.py - instructions for integers and predicates."""
import re

from .code import Operand
from .values import M32, P, UP, Lost, signed


class Integers:
    """Instructions of a Thread."""

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
        is_wide = bool(mods & {"WIDE", "HI"})
        c = self.get_wide(ins.sources[2]) if is_wide else self.get(ins.sources[2])
        if is_wide and ins.sources[2].minus:
            raise Lost(f"a pair less than nothing: {ins.text}")
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
        if is_wide:
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
        """By the rule `together`, all threads of the warp vote as this one."""
        value = self.get_predicate(ins.sources[-1])
        self.put(ins, () if value is None else (M32 if value else 0,), (value,))

    do_voteu = do_vote
