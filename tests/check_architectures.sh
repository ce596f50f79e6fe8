#!/bin/sh
# check_architectures.sh ALL [LIBRARY FILES BUILT...] - every GPU from compute capability 7.5 on
# gets code.
#
# ALL is CMake's list of the architectures that are compiled by default, BUILT those of LIBRARY:
# `80-real` is machine code (a cubin), `80-virtual` is PTX, which the driver compiles, `80` both.
# The CUDA C++ Programming Guide ("Binary Compatibility", "PTX Compatibility") says what runs:
# machine code of X.y on X.z with z >= y, but on Tegra only on the very capability; PTX of X.y on
# all that is not below X.y. What is inside LIBRARY is read from it, kernel file by kernel file;
# there are FILES of them.
set -eu
all=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expand LIST: a line `kind capability` for each piece of code, as 80 for 8.0.
expand() {
  echo "$1" | tr '; ' '\n\n' | sed -n 's/-real$//; t real
    s/-virtual$//; t virtual
    s/^[0-9]*$/elf &\nptx &/p; d
    :real
    s/^/elf /p; d
    :virtual
    s/^/ptx /p' | sort
}

# ---- the list -----------------------------------------------------------------------------

expand "$all" >"$work/all"
awk '
  function runs(kind, code, gpu, tegra) {
    if (kind == "ptx") return code <= gpu
    if (tegra) return code == gpu
    return int(code / 10) == int(gpu / 10) && code <= gpu
  }
  { kind[NR] = $1; code[NR] = $2 }
  END {
    count = split("75 80 86 87t 88t 89 90 100 103 110t 120 121", gpus, " ")
    for (g = 1; g <= count; ++g) {
      gpu = gpus[g] + 0
      best = ""
      for (k = 1; k <= NR; ++k)
        if (runs(kind[k], code[k], gpu, gpus[g] ~ /t/) && (best == "" || kind[k] == "elf" ||
            (kind[best] == "ptx" && code[k] > code[best])))
          best = k
      if (best == "") {
        printf "%4.1f: nothing runs\n", gpu / 10
        bad = 1
        continue
      }
      what = kind[best] == "elf" ? "machine code" : "PTX"
      printf "%4.1f: %s of %.1f\n", gpu / 10, what, code[best] / 10
    }
    exit bad
  }' "$work/all" || {
  echo "the architectures '$all' leave out a GPU"
  exit 1
}

# ---- the library --------------------------------------------------------------------------

[ $# -gt 1 ] || exit 0
library=$2 wanted=$3
shift 3
built=$*
if ! command -v objcopy >/dev/null; then
  echo "skipped: what is inside $library, for want of objcopy"
  exit 0
fi
objcopy -O binary --only-section=.nv_fatbin "$library" "$work/fatbin"
# A kernel file has a fat binary: a header of 16 bytes, magic number first and in the third word
# the bytes behind it, then pieces of code. A piece has a header, too: its kind (1 PTX, 2 a cubin)
# and the size of that header in the first two words, the bytes behind it in the third, and its
# capability in the eighth. Between fat binaries are zeros.
od -An -v -t u4 -w4 "$work/fatbin" | awk '
  { word[NR - 1] = $1 }
  END {
    for (at = 0; at < NR;) {
      if (word[at] == 0) { ++at; continue }
      if (word[at] != 3126193488) { print "no fat binary at word " at; exit 1 }
      ++files
      end = at + 4 + word[at + 2] / 4
      for (at += 4; at < end; at += (word[at + 1] + word[at + 2]) / 4)
        print files, (word[at] % 65536 == 1 ? "ptx" : "elf"), word[at + 7]
    }
  }' >"$work/pieces" || {
  cat "$work/pieces"
  exit 1
}
expand "$built" >"$work/built"
files=$(awk '{ print $1 }' "$work/pieces" | sort -u | wc -l)
[ "$files" -eq "$wanted" ] || { echo "$library has code of $files kernel files, not $wanted"; exit 1; }
for file in $(seq "$files"); do
  awk -v file="$file" '$1 == file { print $2, $3 }' "$work/pieces" | sort | diff "$work/built" - || {
    echo "kernel file $file of $library has other code than '$built' (< asked for, > inside)"
    exit 1
  }
done
echo "$files kernel files, each with the code of '$built'"
