"""command.py - the command line of these scripts: a device, and what else a script counts."""
import argparse


def read_command(text, *counts):
    """The arguments of a script whose documentation is `text`; absent counts are None."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0], allow_abbrev=False)
    parser.add_argument("device", nargs="?", choices=("cpu", "cuda"), default="cpu")
    for name in counts:
        parser.add_argument(name, nargs="?", type=int)
    return parser.parse_args()
