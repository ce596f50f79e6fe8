#!/usr/bin/env bash
# check_kernels.sh SOURCE NVCC LIST_LAUNCHES [--update] - what the compiler makes of each kernel.
#
# Compiles the kernels for sm_90 and compares registers and code size with the table
# tests/data/kernels.txt, so that a regression shows without a GPU: not one register more, not
# 5 % more code, no stack. Where a disassembler is at hand (NVDISASM, or nvdisasm on the PATH;
# the wheel `triton` has one) it counts the instructions of the dense kernels' loop too, which
# are spent on 8 elements, or on 16 of one byte, and of them those for integers: multiplications,
# and all else, whose units take half a warp at a time. A call that is skipped but for ties does
# not count. Then tests/executed.py follows a thread of each kernel that LIST_LAUNCHES (a program
# of tests/simt) names, and compares with tests/data/executed.txt. --update writes both tables
# anew; bench/limits.py makes times of them.
set -euo pipefail
source=$1 nvcc=$2 list_launches=$3 update=${4-}
table=$source/tests/data/kernels.txt
disassembler=${NVDISASM-$(command -v nvdisasm || true)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() {
  "$nvcc" -std=c++17 -cubin -arch=sm_90 -fmad=false -Xptxas -v -I"$source/kernels" \
    -I"$source/include" -I"$source/csrc" \
    -o "$work/$(basename "$1" .cu).cubin" "$1" 2>"$work/$(basename "$1" .cu).log"
}
for file in $(find "$source/kernels" -name "*.cu" -not -path "*/sort/*" | sort); do # not CUB's
  compile "$file" &
  [ "$(jobs -r | wc -l)" -lt "$(nproc)" ] || wait -n
done
wait

# What ptxas says: MANGLED REGISTERS STACK
registers() {
  awk '/Compiling entry function/ { split($0, quoted, "\047"); name = quoted[2] }
    / bytes stack frame/ && name != "" { stack = $1 + $5 + $9 }
    /Used [0-9]+ registers/ && name != "" {
      match($0, /Used [0-9]+/); print name, substr($0, RSTART + 5, RLENGTH - 5), stack + 0
      name = "" }' "$1"
}

# The sections of code: MANGLED BYTES
sizes() {
  readelf -SW "$1" 2>/dev/null | sed -n 's/^ *\[ *[0-9]*\] \.text\.\([^ ]*\) *PROGBITS *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\).*/\1 \2/p' |
    while read -r name size; do echo "$name $((16#$size))"; done
}

# The longest loop, less the calls that a branch may skip: MANGLED INSTRUCTIONS MULTIPLICATIONS
# OTHERS
loops() {
  awk '
    function report(  k, from, hot, best, result) {
      for (k = 1; k <= n; ++k) {
        if (target[k] == "" || !(target[k] in at) || at[target[k]] > k) continue
        from = at[target[k]]
        hot = count(from, k, "")
        if (hot > best) { best = hot; result = count(from, k, "mul") " " count(from, k, "int") }
      }
      if (name != "") print name, best + 0, result == "" ? "0 0" : result
    }
    # Of a class, or all: from, to and between, less what is skipped.
    function count(from, to, class,  k, sum) {
      for (k = from; k <= to; ++k) {
        if (class == "" || class == kind[k]) ++sum
        if (target[k] != "" && at[target[k]] > k && at[target[k]] <= to &&
            has_call(k, at[target[k]]))
          k = at[target[k]] - 1
      }
      return sum + 0
    }
    function has_call(from, to,  k) {
      for (k = from; k < to; ++k) if (call[k]) return 1
      return 0
    }
    function classify(line) {
      if (line ~ / (IMAD|IDP)/) return "mul"
      if (line ~ / (IADD3?|LOP3|ISETP|FSETP|PLOP3|SEL|FSEL|PRMT|SHF|LEA|IMNMX|VIADD|FMNMX|POPC|I2F|F2F|F2FP)[. ]/) return "int"
      return ""
    }
    function begin(text) { report(); name = text; n = 0; delete at; delete target; delete call
      delete kind }
    /^\.text\./ { sub(/^\.text\./, ""); sub(/:.*/, ""); begin($0); next }
    /\.size +\$/ { begin(""); next }
    /^\.L_x_[0-9]+:/ { sub(/:.*/, ""); at[$0] = n + 1; next }
    /^ +\/\*[0-9a-f]+\*\/ / {
      ++n; target[n] = ""; call[n] = /CALL/; kind[n] = classify($0)
      if (/BRA/ && match($0, /\.L_x_[0-9]+/)) target[n] = substr($0, RSTART, RLENGTH) }
    END { report() }' "$1"
}

for cubin in "$work"/*.cubin; do
  base=${cubin%.cubin}
  registers "$base.log" | sort >"$base.registers"
  sizes "$cubin" | sort >"$base.sizes"
  [ -z "$disassembler" ] || "$disassembler" -c "$cubin" >"$base.sass"
  if [ -n "$disassembler" ]; then loops "$base.sass"; else awk '{ print $1, "- - -" }' "$base.sizes"; fi |
    sort >"$base.loops"
  join "$base.registers" "$base.sizes" | join - "$base.loops"
done | c++filt | sed 's/void //; s/cudropi_//g; s/([^()]*)//g; s/ >/>/g; s/, /,/g' |
  awk '{ print $1, $2, $3, $4, $1 ~ /^dense/ ? $5 " " $6 " " $7 : "- - -" }' | sort >"$work/now"
[ "$(wc -l <"$work/now")" -ge 60 ] || { echo "found too few kernels"; exit 1; }

if [ "$update" = --update ]; then
  [ -n "$disassembler" ] || { echo "the table needs a disassembler: set NVDISASM"; exit 1; }
  {
    echo "# What nvcc $("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p') makes of the kernels for sm_90; see tests/check_kernels.sh."
    echo "# kernel registers stack code-bytes loop-instructions multiplications other-integer"
    cat "$work/now"
  } >"$table"
  "$source/tests/executed.py" "$work" "$list_launches" --update
  exit 0
fi

grep -v '^#' "$table" | sort >"$work/then"
bad=0
join -a1 -a2 -e none -o 0,2.2,2.3,2.4,2.5,1.2,1.4,1.5 "$work/then" "$work/now" | awk '
  $2 == "none" { print $1 ": is in the table and is not built"; bad = 1; next }
  $6 == "none" { print $1 ": is built and is not in the table"; bad = 1; next }
  $3 > 0 { print $1 ": has " $3 " bytes of stack and spills"; bad = 1 }
  $2 > $6 { print $1 ": " $2 " registers, was " $6; bad = 1 }
  $4 > $7 * 1.05 { print $1 ": " $4 " bytes of code, was " $7; bad = 1 }
  $5 != "-" && $5 > $8 { print $1 ": " $5 " instructions a loop, was " $8; bad = 1 }
  $1 ~ /dense_drawn<scale<bf16>>/ && $8 > 102 { print $1 ": more than 102 instructions"; bad = 1 }
  END { print NR " kernels"; exit bad }' || bad=1
if [ -z "$disassembler" ]; then
  echo "instructions, of loops and executed: skipped, there is no disassembler (NVDISASM)"
elif ! command -v python3 >/dev/null; then
  echo "instructions executed: skipped, there is no python3"
else
  "$source/tests/executed.py" "$work" "$list_launches" || bad=1
fi
exit $bad
