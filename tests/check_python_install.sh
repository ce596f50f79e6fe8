#!/bin/sh
# check_python_install.sh SOURCE LIBRARY PYTHON - the wheel of script/wheel is installed in a fresh
# virtual environment and prints what the README says, with the library inside; CUDROP_LIBRARY names
# another, LIBRARY; without one the import says what to do; and the checkout is left as it was.
set -eu
source=$1 library=$2 python=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}
skip() {
  echo "skipped: $*"
  exit 77
}
"$python" -m venv "$work/venv" >"$work/log" 2>&1 ||
  skip "$python makes no virtual environment (python3-venv): $(tail -n 1 "$work/log")"
installed=$work/venv/bin/python
pip() {
  "$installed" -m pip --disable-pip-version-check --quiet "$@" >"$work/log" 2>&1
}
pip download --no-deps --dest "$work/pypi" scikit-build-core ||
  skip "PyPI gives no scikit-build-core: $(tail -n 1 "$work/log")"

list_checkout() { (cd "$source" && ls && find adapters -type f | sort); }
list_checkout >"$work/before"
"$installed" "$source/script/wheel" --out "$work/out" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
list_checkout >"$work/after"
diff "$work/before" "$work/after" || fail "script/wheel leaves files in the checkout"
ls "$work/out" | grep -qx 'cudrop-[0-9.]*-py3-none-manylinux[a-z0-9_.]*\.whl' ||
  fail "not a wheel for any Python and many Linuxes: $(ls "$work/out")"
pip install "$work"/out/*.whl || fail "$(cat "$work/log")"

site=$("$installed" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
list_modules() { (cd "$1" && find . -name '*.py' -o -name py.typed | sort); }
list_modules "$source/adapters/python/src/cudrop" >"$work/written"
list_modules "$site/cudrop" >"$work/there"
diff "$work/written" "$work/there" || fail "the installed module is not adapters/python's"
grep -qx 'License-Expression: MIT' "$site"/cudrop-*.dist-info/METADATA || fail "no licence"

# The README's command, between its quotes, and below it what it prints.
sed -n "s/.*python3 -c '\(import cudrop.*\)'\$/\1/p" "$source/README.md" >"$work/first.py"
[ -s "$work/first.py" ] || fail "the README has no command in Python"
awk '/python3 -c .import cudrop/ { getline; sub(/^    /, ""); print; exit }' "$source/README.md" \
  >"$work/said"
echo 'print(cudrop._library.library._name)' >>"$work/first.py"
cd /
check() {
  echo "$1" | cat "$work/said" - >"$work/expected"
  env -i ${2+"$2"} "$installed" "$work/first.py" >"$work/printed"
  diff "$work/expected" "$work/printed" || fail "the README says that something else is printed"
}
inside=$(echo "$site"/cudrop/libcudrop.so.*)
check "$inside"
check "$library" "CUDROP_LIBRARY=$library"

check_error() {
  if env -i ${2+"$2"} "$installed" "$work/first.py" 2>"$work/errors"; then
    fail "a library that is not there is loaded"
  fi
  grep "ImportError: cudrop: the library cannot be loaded ($1: " "$work/errors" |
    grep -q 'pip install ./adapters/python .* CUDROP_LIBRARY=' || fail "$(cat "$work/errors")"
}
check_error "CUDROP_LIBRARY=$work/none.so" "CUDROP_LIBRARY=$work/none.so"
rm "$inside"
check_error "${inside##*/}, where the system looks"
