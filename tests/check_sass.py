#!/usr/bin/env python3
"""check_sass.py - that tests/sass counts what a thread executes, and ends where it cannot know;
that tests/executed.py notices 5 % more of it.

Each case is code as nvdisasm prints it, and how many instructions its thread executes, or what the
exception says.
"""
import sys

import executed
import sass

LOOP = """
/*0000*/ LDC R1, c[0x0][0x210] ;
/*0010*/ IMAD.MOV.U32 R2, RZ, RZ, RZ ;
.L_x_1:
/*0020*/ IADD3 R2, R2, 0x1, RZ ;
/*0030*/ ISETP.GE.U32.AND P0, PT, R2, R1, PT ;
/*0040*/ @!P0 BRA `(.L_x_1) ;
/*0050*/ EXIT ;
"""
# Block 7 of rows of 3 blocks: 7 % 3 as the compiler divides.
DIVISION = """
/*0000*/ S2UR UR4, SR_CTAID.X ;
/*0010*/ IMAD.MOV.U32 R1, RZ, RZ, 0x3 ;
/*0020*/ I2F.U32.RP R0, R1 ;
/*0030*/ MUFU.RCP R0, R0 ;
/*0040*/ IADD3 R2, R0, 0xffffffe, RZ ;
/*0050*/ F2I.FTZ.U32.TRUNC.NTZ R3, R2 ;
/*0060*/ HFMA2.MMA R2, -RZ, RZ, 0, 0 ;
/*0070*/ IADD3 R4, RZ, -R3, RZ ;
/*0080*/ IMAD R5, R4, R1, RZ ;
/*0090*/ IMAD.HI.U32 R3, R3, R5, R2 ;
/*00a0*/ IMAD.HI.U32 R9, R3, UR4, RZ ;
/*00b0*/ IMAD.MOV R4, RZ, RZ, -R9 ;
/*00c0*/ IMAD R0, R1, R4, UR4 ;
/*00d0*/ ISETP.GE.U32.AND P0, PT, R0, R1, PT ;
/*00e0*/ @P0 IADD3 R0, R0, -R1, RZ ;
/*00f0*/ ISETP.NE.AND P0, PT, R0, 0x1, PT ;
/*0100*/ @P0 EXIT ;
/*0110*/ EXIT ;
"""
BORROW = """
/*0000*/ LEA R4, P0, -RZ, 0x8, 0x3 ;
/*0010*/ IADD3.X R5, ~RZ, RZ, RZ, P0, !PT ;
/*0020*/ ISETP.NE.AND P0, PT, R5, RZ, PT ;
/*0030*/ @P0 EXIT ;
/*0040*/ NOP ;
/*0050*/ EXIT ;
"""
LOADED = """
/*0000*/ CS2R R2, SRZ ;
/*0010*/ LDG.E R4, desc[UR4][R2.64] ;
/*0020*/ ISETP.NE.AND P0, PT, R4, RZ, PT ;
/*0030*/ @P0 BRA `(.L_x_1) ;
/*0040*/ NOP ;
.L_x_1:
/*0050*/ EXIT ;
"""
SLOW = """
/*0000*/ CS2R R2, SRZ ;
/*0010*/ LDG.E R4, desc[UR4][R2.64] ;
/*0020*/ ISETP.NE.AND P0, PT, R4, RZ, PT ;
/*0030*/ @P0 BRA `(.L_x_1) ;
/*0040*/ MOV R6, 0x60 ;
/*0050*/ CALL.REL.NOINC `(slow) ;
.L_x_1:
/*0060*/ STG.E.128 desc[UR4][R2.64], R4 ;
/*0070*/ EXIT ;
slow:
/*0080*/ RET.REL.NODEC R6 `(kernel) ;
"""
CALLED = SLOW.replace("LDG.E R4, desc[UR4][R2.64]", "IMAD.MOV.U32 R4, RZ, RZ, RZ")
CASES = (
    ("a loop of five turns", LOOP, 2 + 5 * 3 + 1),
    ("7 modulo 3 is 1", DIVISION, 18),
    ("8 less 0 does not borrow", BORROW, 6),
    ("a call of what is no ordinary number is left out", SLOW, 6),
    ("a call that is known to be made is counted", CALLED, 9),
    ("what is loaded decides no branch", LOADED, "nothing decides BRA"),
    ("an instruction that nobody knows", LOOP.replace("IADD3", "FROB"), "not known here: FROB"),
    ("a loop that ends on what is loaded", LOOP.replace("LDC R1, c[0x0][0x210]", "LDG.E R1, [RZ]"),
     "nothing decides BRA"),
    ("an endless loop", LOOP.replace("0x1,", "0x0,"), "does not end"),
    ("a constant that is no argument", LOOP.replace("0x210", "0x214"), "constant 0x214"),
)


def walk(text):
    code, labels = sass.read_kernels(".text.kernel:\n" + text.replace("\n/*", "\n        /*"))["kernel"]
    constants = bytes(sass.PARAMETERS) + (5).to_bytes(4, "little")
    thread = sass.Thread(code, labels, {0: constants}, lambda at, size: None, (7, 0, 0))
    try:
        thread.run(most=1000)
    except sass.Lost as lost:
        return str(lost)
    return sum(thread.counts)


ROW = ("forward", "bf16", "dense_drawn<scale<bf16>>")
NUMBERS = [111.75, 32.5, 57.0, 0.0, 0.0, 16.0]
COMPARISONS = (  # what is executed now, and how many sentences are said of it
    ("the same", {ROW: NUMBERS}, 0),
    ("1 % more", {ROW: [NUMBERS[0] * 1.01, *NUMBERS[1:]]}, 0),
    ("5 % more", {ROW: [NUMBERS[0] * 1.05, *NUMBERS[1:]]}, 1),
    ("5 % more for a unit", {ROW: [*NUMBERS[:2], NUMBERS[2] * 1.05, *NUMBERS[3:]]}, 1),
    ("half of the elements stored", {ROW: [*NUMBERS[:-1], 8.0]}, 1),
    ("a kernel more", {ROW: NUMBERS, ("forward", "bf16", "another"): NUMBERS}, 1),
    ("no kernel", {}, 1),
)


def main():
    wrong = 0
    for name, now, sentences in COMPARISONS:
        if len(list(executed.compare(now, {ROW: NUMBERS}))) != sentences:
            print(f"{name}: not {sentences} sentences")
            wrong += 1
    for name, text, expected in CASES:
        result = walk(text)
        if result != expected and not (isinstance(expected, str) and expected in str(result)):
            print(f"{name}: {result}, expected {expected}")
            wrong += 1
    print(f"{len(CASES) + len(COMPARISONS)} cases")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
