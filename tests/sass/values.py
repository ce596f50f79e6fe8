"""values.py - numbers of 32 bits, and where registers are."""
import struct

M32 = 0xFFFFFFFF
R, UR, P, UP = 0, 256, 0, 8  # where the four files begin among registers and predicates
RZ, PT = 255, 7


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
