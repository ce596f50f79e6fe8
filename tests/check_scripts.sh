#!/usr/bin/env bash
# check_scripts.sh SOURCE - script/demo, engine and gpt around stand-ins for cmake, gnuplot and the
# programs: options come where they belong, earlier runs stay, and building says how far it is.
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

mkdir -p "$work/bin" "$work/examples/gpt" "$work/examples/engine" "$work/examples/mlp_fashion"
cp -r "$source/script" "$work/script"
for file in gpt/options.c gpt/table.awk engine/options.c mlp_fashion/options.c; do
  cp "$source/examples/$file" "$work/examples/$file"
done
sed -i 's/^every=5$/every=1/' "$work/script/progress.sh"
printf '#!/bin/sh\n' >"$work/script/bootstrap"
cd "$work"

# stand_in FILE - a program, from stdin. It may append to the file calls.
export calls=$work/calls
stand_in() {
  mkdir -p "$(dirname "$1")"
  { echo '#!/usr/bin/env bash' && cat; } >"$1"
  chmod +x "$1"
}
stand_in bin/gnuplot <<'END'
echo "gnuplot $*" >>"$calls"
END
stand_in bin/cmake <<'END'
echo "cmake $*" >>"$calls"
sleep "${slow-0}"
[ "$1" = --build ] || exit 0
echo '[1/3] Building C object some/where/one.c.o'
sleep "${slow-0}"
echo '[2/3] Building C object some/where/two.c.o'
[ -z "${broken-}" ] || { echo 'FAILED: two.c.o' && exit 1; }
sleep "${slow-0}"
echo '[3/3] Linking C executable three'
END
stand_in build/demo/cudrop <<'END'
echo 'every known answer came out'
END
stand_in build/demo/examples/mlp_fashion/mlp_fashion <<'END'
echo "mlp_fashion $*" >>"$calls"
mkdir -p out
echo trained >out/network
END
stand_in build/demo/examples/engine/engine <<'END'
echo "engine $*" >>"$calls"
while [ $# -gt 0 ] && [ "$1" != -- ]; do [ "$1" != --out ] || out=$2; shift; done
mkdir -p "$out"
printf 'network,x\ninference,1\ninference,2\n3 samples,1\n' >"$out/reliability.csv"
END
stand_in build/demo/examples/gpt/gpt <<'END'
case " $* " in
  *' --layers=ten '*) echo 'gpt: ten' >&2 && exit 2 ;;
  *' --memory '*) echo 'what a step needs' && exit ;;
esac
echo "gpt $*" >>"$calls"
while [ $# -gt 0 ]; do
  case $1 in --drop) drop=$2 ;; --seed) seed=$2 ;; --out) out=$2 ;; esac
  shift
done
[ "$out" != "${stops_at-}" ] || exit 3
mkdir -p "$out" && echo "$seed" >"$out/checkpoint"
printf 'seed,drop,a,s,step,train,validation\n%s,%s,0,0,9,1,2\n' "$seed" "$drop" >"$out/loss.csv"
END
export PATH=$work/bin:$PATH

run() {
  status=0
  : >"$calls"
  "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
}
succeed() {
  run "$@"
  [ "$status" -eq 0 ] || fail "$*: exits with $status: $(cat "$work/stderr")"
}
# refused WORDS COMMAND ... - with status 2 and a line, before anything is called or changed.
refused() {
  cp -r "$work" "$work.before"
  run "${@:2}"
  [ "$status" -eq 2 ] || fail "${*:2}: exits with $status, not 2"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || fail "${*:2}: $(cat "$work/stderr")"
  grep -q -e "$1" "$work/stderr" || fail "${*:2}: instead $(cat "$work/stderr")"
  [ ! -s "$calls" ] || fail "${*:2}: has called $(cat "$calls")"
  diff -r -x stdout -x stderr -x calls "$work" "$work.before" || fail "${*:2}: changes files"
  rm -r "$work.before"
}
called() {
  [ "$(grep -c -e "$1" "$calls")" -eq "${2-1}" ] || fail "not ${2-1} times '$1': $(cat "$calls")"
}

# ---- gpt ------------------------------------------------------------------------------------

succeed script/gpt --layers 3 --out results --text='two words'
called '^gpt --layers=3 --text=two words --drop 0.* --seed [123] --out results/gpt/drop0' 6
called '^gnuplot -c examples/gpt/loss.gp results$'
grep -q 'no dropout *dropout, p = 0.1$' stdout || fail "no table: $(cat stdout)"
[ "$(wc -l <results/gpt_loss.csv)" -eq 7 ] || fail "not six runs: $(cat results/gpt_loss.csv)"
[ ! -e out ] || fail "script/gpt --out writes to out"
grep -q '^script/gpt: network 6 of 6: dropout 0.1, seed 3; .* s left$' stderr || fail "$(cat stderr)"

refused 'results/gpt/drop0-seed1 is of an earlier start: .*usage: script/gpt' \
  script/gpt --layers 3 --out results
refused 'do not go together' script/gpt --resume --fresh --out results
for option in drop drop-embedding drop-attention drop-shortcut seed; do
  refused "--$option is the script's own" script/gpt --$option 0.5 --out other
done

# Runs that have no checkpoint yet get the options of the first start, too.
rm -r results/gpt/drop0.1-seed[23]
succeed script/gpt --resume --out results --steps 9
called '^gpt --layers=3 --text=two words --steps=9 --resume --drop' 4
called '^gpt --layers=3 --text=two words --steps=9 --drop 0.1' 2

# --fresh removes the six runs, once it is clear that others can begin; and nothing else.
touch results/gpt/drop0-seed3/old results/gpt/mine results/mine
run script/gpt --fresh --layers ten --out results
[ "$status" -eq 2 ] || fail "a bad value: $status"
[ -e results/gpt/drop0-seed3/old ] || fail "a bad value removes runs"
succeed script/gpt --fresh --out=results
[ ! -e results/gpt/drop0-seed3/old ] || fail "--fresh leaves an earlier run"
for file in results/gpt/mine results/mine; do [ -e $file ] || fail "--fresh removes $file"; done
called '^gpt --drop 0.* --seed [123] --out results/gpt/drop0' 6

# A run that stops ends the script with its status.
export stops_at=stopped/gpt/drop0-seed2
run script/gpt --stop-after 5 --out stopped
[ "$status" -eq 3 ] || fail "a run that is stopped: $status"
called '^gpt --stop-after=5 --drop' 2
unset stops_at
succeed script/gpt --resume --out stopped
called '^gpt --resume --drop' 1
called stop-after 0

# ---- demo and engine ------------------------------------------------------------------------

succeed script/demo --out pictures --images 10
called '^mlp_fashion --out=pictures --images=10$'
called '^gnuplot -c examples/mlp_fashion/.*.gp pictures$' 2
grep -q ' in pictures$' stdout || fail "script/demo does not say where"
for stage in '1 of 4: installing' '2 of 4: checking' '3 of 4: training' '4 of 4: drawing'; do
  grep -q "^script/demo: $stage.*; \|^script/demo: $stage" stderr || fail "no $stage"
done
refused "'--im' is not an option; usage: script/demo" script/demo --im 10
refused "'more' is one argument too many" script/demo more

succeed script/engine --out judged --samples 3
called '^engine --out=judged --samples=3 --out judged --$'
called '^mlp_fashion' 0
called '^gnuplot -c .*reliability.gp judged inference 3 samples$'
rm out/network
succeed script/engine mine
called '^engine --out out/engine -- mine$'
called '^mlp_fashion' 0
succeed script/engine
called '^mlp_fashion *$'
rm out/network
touch out/checkpoint
succeed script/engine
called '^mlp_fashion --resume$'
refused "'two' is one argument too many" script/engine one two

# ---- progress -------------------------------------------------------------------------------

slow=1.3 succeed script/build-demo
grep -q '^script/build-demo: configuring: 1 s so far$' stderr || fail "no time: $(cat stderr)"
grep -q '^script/build-demo: building, step [12] of 3, .* s so far, about .* s left: [a-z]*.c.o$' \
  stderr || fail "no progress: $(cat stderr)"
grep -q '^script/build-demo: built, in ' stderr || fail "no end: $(cat stderr)"
broken=1 run script/build-demo
[ "$status" -eq 1 ] || fail "a build that fails: $status"
grep -q '^FAILED: two.c.o$' stderr || fail "a build that fails says nothing: $(cat stderr)"
grep -q 'built, in' stderr && fail "a build that fails is built"
exit 0
