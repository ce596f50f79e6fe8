"""sass - one thread of a kernel, followed through its machine code for sm_90.

A thread has registers, predicates, the arguments of its launch, and what it has itself stored in
shared memory. A value is a number, or None where it is not known: what is loaded from memory, what
comes of it, what other threads say. Integers are computed; of floats, products and sums of what is
known. Where a branch depends on what is not known, or an instruction is none of those here, the
walk ends with an exception, so that a number cannot be that of a path that nobody chose. These
are the only rules for what a thread cannot know:

  call      A function outside the line is not called: it divides, or takes a root, where an operand
            or a result is no ordinary number, or looks at a tie once more. A branch that leads to a
            call alone is not taken, and one around a call alone is taken (Thread.guess).
  equal     A float that is not known is not equal to one that is: no sum is 0 (Floats.do_fsetp).
  own       What the thread has written to shared memory, no other thread writes anew (Memory.do_bar).
  together  The threads of a warp are together (BRA.DIV), and all vote alike (Integers.do_vote).
  unset     A register that nobody wrote is 0: it is read where its bits do not matter.
"""
from .code import read_kernels
from .thread import PARAMETERS, Thread
from .values import Lost

__all__ = ["Lost", "PARAMETERS", "Thread", "read_kernels"]
