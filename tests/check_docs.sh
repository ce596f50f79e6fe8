#!/bin/sh
# check_docs.sh SOURCE - what the documents name is there: files and headings behind their links,
# scripts and tests in their commands, every document in docs/README.md, every status in
# docs/troubleshooting.md, the licence in every public header. What they quote of examples/choosing
# and of the README stands there.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fault() {
  echo "$*"
  failed=1
}

documents="README.md CONTRIBUTING.md $(ls docs/*.md)"

# ---- links --------------------------------------------------------------------------------

# anchors FILE - the names of its headings, as GitHub makes them.
anchors() {
  sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed "s/[^a-z0-9 _-]//g; s/ /-/g"
}
for document in $documents; do
  grep -oE '\]\([^)]+\)' "$document" | sed 's/^](//; s/)$//' | grep -v '^http' >"$work/links" || true
  while read -r link; do
    file=$(dirname "$document")/${link%%#*}
    case $link in '#'*) file=$document ;; esac
    if [ ! -e "$file" ]; then
      fault "$document: $link is not there"
    elif [ "$link" != "${link#*#}" ]; then
      anchors "$file" | grep -qxF -e "${link#*#}" || fault "$document: no heading for $link"
    fi
  done <"$work/links"
done
for file in docs/*; do
  [ "$file" = docs/README.md ] || grep -qF "](${file#docs/})" docs/README.md ||
    fault "docs/README.md does not list $file"
done

# ---- commands -----------------------------------------------------------------------------

# Tests and scripts by name: `test_mask`, check_consumer, script/demo.
# shellcheck disable=SC2086 # a list of files
grep -ohE '\b(test|check)_[a-z0-9_]+[a-z0-9]\b' $documents | sort -u >"$work/tests"
while read -r name; do
  name=${name%_emulated} && name=${name%_gpu} && name=${name%_[0-9]}
  grep -qE "\b$name" tests/*.txt tests/*.cmake tests/*/CMakeLists.txt ||
    [ -n "$(find tests csrc -name "$name*")" ] || fault "there is no test $name"
done <"$work/tests"
# shellcheck disable=SC2086
for script in $(grep -ohE '\bscript/[a-z_-]+(\.sh)?' $documents | sort -u); do
  [ -e "$script" ] || fault "there is no $script"
done

# ---- code ---------------------------------------------------------------------------------

# Each block of a language in docs/choosing.md stands in a file of examples/choosing, line for line.
# quoted LANGUAGE FILE...
quoted() {
  language=$1
  shift
  rm -f "$work"/block.*
  awk -v fence="\`\`\`$language" -v work="$work" '
    $0 == fence { on = 1; file = sprintf("%s/block.%03d", work, ++n); next }
    /^```$/ { on = 0 }
    on { print >file }' docs/choosing.md
  [ -e "$work/block.001" ] || fault "docs/choosing.md has no $language"
  for block in "$work"/block.*; do
    awk -v block="$block" '
      BEGIN { while ((getline line <block) > 0) text = text line "\n" }
      FNR == 1 { file = "" }
      { file = file $0 "\n"; if (index(file, text)) found = 1 }
      END { exit !found }' "$@" || fault "docs/choosing.md: in no file of examples/choosing:
$(cat "$block")"
  done
}
quoted c examples/choosing/*.c
quoted python examples/choosing/*.py

# docs/python.md has the README's commands, and what they print.
awk '/^    /' README.md >"$work/readme"
awk '/^    \$ .*numpy/ { on = 2 } on-- > 0' docs/python.md >"$work/numpy"
[ "$(wc -l <"$work/numpy")" -eq 2 ] && grep -qxFf "$work/readme" "$work/numpy" &&
  ! grep -vqxFf "$work/readme" "$work/numpy" || fault "docs/python.md and the README differ"

# ---- statuses -----------------------------------------------------------------------------

sed -n 's/^  X(\([A-Z_]*\), [0-9]*, ".*/\1/p' include/cudrop/cudrop.h | grep -v '^OK$' >"$work/statuses"
[ "$(wc -l <"$work/statuses")" -ge 12 ] || fault "read too few statuses in cudrop.h"
while read -r status; do
  grep -qx "### $status" docs/troubleshooting.md || fault "docs/troubleshooting.md lacks $status"
done <"$work/statuses"

# ---- licence ------------------------------------------------------------------------------

for header in include/cudrop/* adapters/dlpack/*.h; do
  grep -q '^ \* SPDX-License-Identifier: MIT$' "$header" || fault "$header does not name its licence"
done
exit $failed
