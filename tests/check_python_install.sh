#!/bin/sh
# check_python_install.sh SOURCE LIBRARY PYTHON - what pip installs from the checkout is imported
# from elsewhere, without a network and without a compiler, finds LIBRARY as the README says, and
# prints what it says; without a library it says what to do.
set -eu
source=$1 library=$2 python=$3
for package in pip setuptools wheel; do
  "$python" -c "import $package" 2>/dev/null && continue
  echo "skipped: $python lacks $package"
  exit 77
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# A copy, because setuptools builds inside the folder that it is given.
cp -r "$source/adapters/python" "$work/source"
"$python" -m pip install --no-index --no-deps --no-build-isolation --disable-pip-version-check \
  --quiet --target "$work/site" "$work/source" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
list() { (cd "$1" && find . -name '*.py' -o -name py.typed | sort); }
list "$source/adapters/python/src/cudrop" >"$work/written"
list "$work/site/cudrop" >"$work/installed"
diff "$work/written" "$work/installed" || fail "the installed module is not adapters/python's"
[ -e "$work/site/cudrop/py.typed" ] || fail "type checkers will not read the module's annotations"

# The README's command, between its quotes, and below it what it prints.
sed -n "s/.*python3 -c '\(import cudrop.*\)'\$/\1/p" "$source/README.md" >"$work/first.py"
[ -s "$work/first.py" ] || fail "the README has no command in Python"
awk '/python3 -c .import cudrop/ { getline; sub(/^    /, ""); print; exit }' "$source/README.md" \
  >"$work/said"
cd /
env -i PYTHONPATH="$work/site" CUDROP_LIBRARY="$library" "$python" "$work/first.py" >"$work/printed"
diff "$work/said" "$work/printed" || fail "the README says that something else is printed"

if env -i PYTHONPATH="$work/site" CUDROP_LIBRARY="$work/none.so" "$python" "$work/first.py" \
  2>"$work/errors"; then
  fail "a library that is not there is loaded"
fi
grep -q "ImportError: cudrop: the library cannot be loaded (CUDROP_LIBRARY=$work/none.so: " \
  "$work/errors" || fail "$(cat "$work/errors")"
