"""floats.py - instructions for floats: of arguments, and what integer divisions need."""
from .values import M32, bits_of, float_of, half_bits, signed


class Floats:
    """Instructions of a Thread."""

    def floats(self, ins, count):
        """The first sources as numbers, or None if one is not known, or is not a number."""
        numbers = []
        for operand in ins.sources[:count]:
            bits = self.get(operand)
            if bits is None:
                return None
            if operand.minus:  # which get() takes for an integer's
                bits = -bits & M32 ^ 1 << 31
            number = float_of(bits)
            if number != number:
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
