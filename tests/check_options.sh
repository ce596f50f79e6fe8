#!/usr/bin/env bash
# check_options.sh SOURCE NAME=PROGRAM ... - what the help of every program and script names is taken
# or refused in words, by its whole name; and what no help names is refused.
#
# A PROGRAM is one of the rows below; one that is not built is left out.
set -euo pipefail
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$name: $*"
  exit 1
}
declare -A program=()
for pair in "$@"; do program[${pair%%=*}]=${pair#*=}; done

# What is put in for a value: by option, or else a number that is in every range. Nothing runs, for
# --help is behind every option, so that a folder need not be there.
value_of() {
  case $1 in
    --backend | --backends) echo host ;;
    --limit) echo programs=8 ;;
    --type) echo f32 ;;
    --attention) echo separate ;;
    --sites) echo bits ;;
    --split) echo tensor ;;
    --model) echo 124M ;;
    --masks) echo cudrop ;;
    --format) echo raw ;;
    --operators) echo forward ;;
    --dtypes) echo F32 ;;
    --layouts) echo dense ;;
    --p | --drop* | --rate* | --decay) echo 0.5 ;;
    --out | --data | --text | --output | --json | --csv | --programs) echo "$work/none" ;;
    *) echo 8 ;;
  esac
}

run() {
  status=0
  "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

# refused WORDS COMMAND ... - with status 2 and a line that has the words, and how it is called.
refused() {
  local words=$1
  shift
  run "$@"
  [ "$status" -eq 2 ] || fail "'${*:2}' exits with $status: $(head -n 3 "$work/out" "$work/err")"
  [ ! -s "$work/out" ] || fail "'${*:2}' prints $(head -n 3 "$work/out")"
  grep -q -e "$words" "$work/err" || fail "'${*:2}': no $words in $(cat "$work/err")"
  grep -q 'usage: ' "$work/err" || fail "'${*:2}': no usage in $(cat "$work/err")"
  [ "$kind" = python ] || [ "$(wc -l <"$work/err")" -eq 1 ] ||
    fail "'${*:2}': not said in one line: $(cat "$work/err")"
}

# What a help text names, and --help: "--option", and behind it " VALUE" where a mention has a value.
list_options() {
  { cat "$work/help" && echo --help; } |
    grep -oE -e '--[a-z][a-z-]*[a-z]([ =][A-Z]+)?|--[a-z]([ =][A-Z]+)?' | sort -u |
    awk '{ if (NF == 2) has[$1] = " VALUE"; else if (!($1 in has)) has[$1] = "" }
      END { for (option in has) print option has[option] }' | sort
}

check_option() {
  local option=$1 has_value=$2 value='' help=--help
  if [ "$option" = --help ]; then help=; fi
  if [ "$has_value" ]; then
    value=$(value_of "$option")
    run "${command[@]}" "$option=$value" --help
    local equal_status=$status
    run "${command[@]}" "$option" "$value" --help
    [ "$status" -eq "$equal_status" ] || fail "$option=$value and $option $value differ"
  else
    run "${command[@]}" "$option" ${help:+"$help"}
  fi
  case " $own " in
    *" $option "*) refused "$option" "${command[@]}" "$option" ${value:+"$value"} ;;
    *)
      [ "$status" -eq 0 ] || fail "$option exits with $status: $(cat "$work/err")"
      [ "$(head -c 6 "$work/out")" = usage: ] || fail "$option --help: no help"
      ;;
  esac
  local beginning=${option%?}
  if [ "$beginning" != -- ] && ! grep -qxE -e "$beginning( VALUE)?" "$work/options"; then
    refused "$beginning" "${command[@]}" "$beginning" ${value:+"$value"} "${behind[@]}"
  fi
  if [ "$has_value" ]; then
    refused "$option" "${command[@]}" "$option"
  elif [ "$option" != --help ] || [ "$kind" != python ]; then
    refused "$option" "${command[@]}" "$option=1" "${behind[@]}"
  fi
}

# check NAME KIND OWN COMMAND ... - OWN are options of the program behind a script that it refuses.
check() {
  name=$1 kind=$2 own=$3 behind=(--help)
  shift 3
  if [ "$kind" = python ]; then behind=(); fi # it answers --help before it has read the rest
  command=("$@")
  run "${command[@]}" --help
  [ "$status" -eq 0 ] || fail "--help exits with $status: $(cat "$work/err")"
  cp "$work/out" "$work/help"
  [ "$(head -c 6 "$work/help")" = usage: ] || fail "--help prints no usage"
  list_options >"$work/options"
  while read -r option value; do check_option "$option" "$value"; done <"$work/options"
  refused --no-such-option "${command[@]}" --no-such-option "${behind[@]}"
  refused --no-such-option "${command[@]}" --no-such-option=1 "${behind[@]}"
  refused -x "${command[@]}" -x "${behind[@]}"
  echo "$name: $(wc -l <"$work/options") options"
}

# check_program NAME [WORD ...] - a program with the command that the words are.
check_program() {
  local path=${program[$1]-}
  if [ "$path" ]; then check "$*" program '' "$path" "${@:2}"; fi
}
for command_name in bench info mask verify; do check_program cudrop "$command_name"; done
for row in mlp_fashion gpt engine onnx_dropout book; do check_program "$row"; done

script() {
  check "script/$1" "${3-script}" "${2-}" "$source/script/$1"
}
rates='--drop --drop-attention --drop-embedding --drop-shortcut'
script demo
script gpt "$rates --seed"
script engine
for row in bootstrap build-demo coverage package test; do script "$row"; done

# What needs PyTorch gets an empty one: it is not called.
: >"$work/torch.py"
export PYTHONPATH=$work PYTHONDONTWRITEBYTECODE=1
if command -v python3 >/dev/null; then
  for row in compare gpu gpu-pack wheel; do script "$row" '' python; done
  check bench/peers/compare.py python '' python3 "$source/bench/peers/compare.py" build
  for row in limits facts/masks facts/memory facts/nan facts/rates facts/words; do
    check "bench/$row.py" python '' python3 "$source/bench/$row.py"
  done
fi

# What has no options refuses any word, and cudrop alone any that is no command.
kind=program
for name in cudrop shared_masks; do
  path=${program[$name]-}
  if [ "$path" ]; then refused --hel "$path" --hel; fi
done
# And all programs and scripts are in a row.
name=rows
for path in "$source"/script/*; do
  case ${path##*/} in
    *.sh | gpu_run) ;; # parts of others
    *) grep -qE "(script|for row in).* ${path##*/}[; ]|^script ${path##*/}" "$0" || fail "${path##*/}" ;;
  esac
done
