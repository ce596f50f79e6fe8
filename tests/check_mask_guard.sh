#!/bin/sh
# check_mask_guard.sh COMPILER INCLUDE_DIR - in C11 cudrop_mask() refuses a floating-point seed or
# offset. Integers compile without a warning in C11, C99 and C++11. The headers' enumerations have
# 4 bytes.
set -eu
compiler=$1 include=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  cat "$work/log"
  exit 1
}

# compile LANGUAGE STANDARD FILE FLAG... - checks the syntax; writes the log.
compile() {
  language=$1 standard=$2 file=$3
  shift 3
  "$compiler" -x "$language" -std="$standard" -fsyntax-only -I"$include" "$@" "$file" \
    >"$work/log" 2>&1
}
strict="-Wall -Wextra -Wpedantic -Wconversion -Werror"

# ---- what is refused ----------------------------------------------------------------------

# refuse ARGUMENTS - the compiler stops with an error that names the rule. -w turns warnings off.
refuse() {
  cat >"$work/wrong.c" <<END
#include "cudrop/cudrop.h"
cudrop_mask_t make(float f, const double d);
cudrop_mask_t make(float f, const double d) {
  (void)f, (void)d;
  return cudrop_mask($1);
}
END
  compile c c11 "$work/wrong.c" -w && fail "cudrop_mask($1) compiles"
  grep -q cudrop_seed_and_offset_are_integers "$work/log" || fail "cudrop_mask($1) says:"
}
refuse "0.1, 42, 0"
refuse "42, 0.1, 0"
refuse "0.1f, 42, 0"
refuse "f, 42, 0.1"
refuse "42, d, 0.1"
refuse "42, 2 * d, 0.1"

# ---- what compiles ------------------------------------------------------------------------

cat >"$work/right.c" <<'END'
#include "cudrop/cudrop.h"
enum { SITE = 3 };
cudrop_mask_t make(uint64_t seed, const uint64_t step, size_t size, unsigned count, float f,
                   int percent);
cudrop_mask_t make(uint64_t seed, const uint64_t step, size_t size, unsigned count, float f,
                   int percent) {
  cudrop_mask_t mask = cudrop_mask(42, 0, 0.1);
  mask = cudrop_mask(seed, step, 0.1f);
  mask = cudrop_mask(seed + 1, step * 2 + SITE, f);
  mask = cudrop_mask(size, count, 0);
  mask = cudrop_mask(SITE, 7u, percent);
  mask = cudrop_mask(cudrop_child_seed(seed, 1), mask.offset, mask.p);
  mask = (cudrop_mask)(1, 2, 0.5);
  cudrop_mask_t (*const function)(uint64_t, uint64_t, double) = cudrop_mask;
  return function(mask.seed, mask.offset, mask.p);
}
END
# An int that is no constant may be negative, of which -Wconversion warns in C.
cat >"$work/sign.c" <<'END'
#include "cudrop/cudrop.h"
cudrop_mask_t make(int seed, int offset);
cudrop_mask_t make(int seed, int offset) { return cudrop_mask(seed, offset, 0.1); }
END
for in in "c c11" "c c99" "c++ c++11"; do
  compile $in "$work/right.c" $strict || fail "in $in:"
  compile $in "$work/sign.c" $strict -Wno-sign-conversion || fail "of ints in $in:"
done

# ---- enumerations -------------------------------------------------------------------------

# The names behind the brace that ends a typedef enum, on its line or on another.
cat "$include"/cudrop/*.h | awk '
  /^typedef enum/ { on = 1 }
  on && match($0, /} cudrop_[a-z0-9_]+;/) { print substr($0, RSTART + 2, RLENGTH - 3); on = 0 }
' >"$work/enumerations"
[ "$(wc -l <"$work/enumerations")" -eq "$(cat "$include"/cudrop/*.h | grep -c '^typedef enum')" ] &&
  [ -s "$work/enumerations" ] || fail "read other enumerations than there are in $include"
{
  echo '#include "cudrop/cudrop.h"'
  echo '#include "cudrop/mask.h"'
  while read -r name; do echo "_Static_assert(sizeof($name) == 4, \"$name\");"; done
} <"$work/enumerations" >"$work/sizes.c"
compile c c11 "$work/sizes.c" || fail "an enumeration has not 4 bytes:"
compile c++ c++11 "$work/sizes.c" -D_Static_assert=static_assert || fail "in C++, likewise:"
echo "$(wc -l <"$work/enumerations") enumerations of 4 bytes"
