#!/bin/sh
# check_engine.sh ENGINE MLP_FASHION BACKEND - the engine in small, on the host or on cuda: what
# mlp_fashion has trained it judges alike, it repeats itself, and it names what is wrong.
set -eu
engine=$1 trainer=$2 backend=$3
[ -d /usr/share/datasets/fashion-mnist ] || {
  echo "skipped: the package dataset-fashion-mnist is not installed"
  exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# Few images and epochs, one thread.
export OPENBLAS_NUM_THREADS=1
"$trainer" --backend host --images 200 --epochs 4 --seeds 1 --samples 3 --out "$work" \
  >"$work/trained" 2>/dev/null
if "$engine" --backend "$backend" --images 1 --out "$work" "$work/network" 2>&1 |
  grep 'no CUDA device'; then
  [ "${CUDROP_REQUIRE_GPU-}" != 1 ] || exit 1
  exit 77
fi

# Inference is what mlp_fashion says of its network with dropout.
run() {
  name=$1
  shift
  mkdir "$work/$name"
  "$engine" --backend "$backend" --out "$work/$name" "$@" "$work/network" >"$work/$name.txt"
}
column() {
  sed -n "s/^$2  *\(.*\)$/\1/p" "$work/$1.txt" | awk -v k="$3" '{ print $k }'
}
said() {
  sed -n "s/^$1  *[0-9.]* (.*)  *\([0-9.]*\) (.*)$/\1/p" "$work/trained"
}
run all --samples 1
[ "$(column all inference 1)" = "$(said 'test loss')" ] || fail "inference has another loss"
[ "$(column all inference 2)" = "$(said accuracy)" ] || fail "inference has another accuracy"

# Equal runs are equal, but for the time; the order of the numbers does not matter.
run first --samples 1,3,20 --images 250
run second --samples 20,3 --images 250
for name in inference '3 samples' '20 samples'; do
  for k in 1 2 3 4 5; do
    [ "$(column first "$name" $k)" = "$(column second "$name" $k)" ] ||
      fail "$name: column $k is $(column first "$name" $k) and $(column second "$name" $k)"
  done
done
[ "$(column first inference 5)" = 0.000 ] || fail "inference has information"
[ "$(column first '20 samples' 5)" != 0.000 ] || fail "samples have no information"
[ "$(column first '1 sample' 1)" != "$(column first '3 samples' 1)" ] || fail "samples are one"
run other --samples 3 --images 250 --seed 2
[ "$(column first '3 samples' 1)" != "$(column other '3 samples' 1)" ] || fail "no seed"
awk -F, 'NR > 1 { images[$1] += $4 }
  END { for (n in images) { ++names; if (images[n] != 250) exit 1 } exit names != 4 }' \
  "$work/first/reliability.csv" || fail "reliability.csv does not hold all images"

# Bad arguments: status 2 and one line; bad files: status 1 and one line, which names the place.
expect() {
  status=$1 words=$2 actual=0
  shift 2
  "$engine" --backend "$backend" "$@" >"$work/stdout" 2>"$work/stderr" || actual=$?
  [ "$actual" -eq "$status" ] || fail "$* exits with $actual, not $status"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || fail "$* does not say why in one line"
  grep -q "^engine.*: .*$words" "$work/stderr" || fail "$*: instead $(cat "$work/stderr")"
  [ ! -s "$work/stdout" ] || fail "$* prints a table"
}
expect 2 '--samples' --samples 0
expect 2 '--samples' --samples 1,2,3,4,5,6
expect 2 '--samples' --samples 1,
expect 2 'is not a whole number from 1 to 10000' --rows ten
expect 2 '--seed' --seed -1
expect 2 'one argument too many' "$work/network" more
expect 1 'cannot open' /no/such/network
expect 2 '--images' --images 10001 "$work/network"
expect 1 'cannot write' --images 1 --out "$work/network/out" "$work/network"
refuse() {
  expect 1 "$1" --images 1 --out "$work" "$work/bad"
}
head -c 300 "$work/network" >"$work/bad"
refuse 'bad:14: the file is cut short'
head -c 100000 "$work/network" >"$work/bad"
refuse 'bad:26: the file is cut short: 99.* bytes of data follow'
{ cat "$work/network" && echo; } >"$work/bad"
refuse 'bad:26: the file is longer than it says'
edit() {
  LC_ALL=C sed "$1" "$work/network" >"$work/bad"
}
edit '1s/1/2/'
refuse 'bad:1: not of version 1'
edit '10s/Gemm/Conv/'
refuse 'bad:10: Conv: this is no operator; there are Dropout'
edit '3s/784 512/784 511/'
refuse 'bad:26: the parameters above have 26.* bytes, and the data 26'
edit '3s/784 512/392 1024/'
refuse "bad:10: Gemm: 'w0' has another size than the rows"
edit '3s/784 512/99999999 99999999/'
refuse "bad:3: 'w0' has more than"
edit '18s/.*/Relu h3 -> mean/'
refuse "has a 'mean' for each sample"
edit 's/^input a0 /input image /; s/^Dropout a0 /Dropout image /'
refuse "has no 'a0', of 784 numbers"
edit 's/^Entropy mean -> entropy/Relu mean -> entropy/'
refuse "has 10 numbers for an image in 'entropy', not 1"
echo hello >"$work/bad"
refuse 'bad:1: this is no network file'
