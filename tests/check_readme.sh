#!/bin/sh
# check_readme.sh SOURCE_DIR LIBRARY_DIR COMPILER [FLAGS] - the README's example is the file
# that it names, compiles as it says, and prints what it says.
set -eu
source=$1 library=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk '/^```c$/ { on = 1; next } /^```$/ && on { exit } on' "$source/README.md" >"$work/first.c"
diff "$work/first.c" "$source/examples/first/first.c"
"$@" -std=c11 -Wall -Wextra -Werror -I"$source/include" "$work/first.c" -L"$library" -lcudrop \
  -Wl,-rpath,"$library" -o "$work/first"
"$work/first" | sed 's/ *$//' >"$work/printed"
awk '/\$ build\/first$/ { getline; sub(/^ */, ""); print; exit }' "$source/README.md" >"$work/said"
diff "$work/said" "$work/printed"
