"""memory.py - instructions that load and store."""
from .values import M32, RZ, Lost


class Memory:
    """Instructions of a Thread."""

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
        """By the rule `own`, what this thread has written to shared memory stays."""

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
