# progress.sh - what the scripts say while they work, on stderr; to be sourced.
#
# A terminal sees a line that changes, a file gets a line every few seconds.

# shellcheck shell=bash

every=5
if [ -t 2 ]; then every=1; fi

# say TEXT - a line that stays.
say() {
  echo "script/${0##*/}: $1" >&2
}

# tell TEXT - a line of progress.
tell() {
  if [ -t 2 ]; then printf '\r%-78.78s' "$1" >&2; else say "$1"; fi
}

# end_telling - take the line away from a terminal.
end_telling() {
  if [ -t 2 ]; then printf '\r%78s\r' '' >&2; fi
}

# watch_time TEXT COMMAND ... - run a command that says nothing itself, and tell how long it takes.
watch_time() {
  local text=$1 begin=$SECONDS status=0 watcher
  shift
  (
    trap 'kill $! && exit' TERM
    while kill -0 $$ 2>/dev/null; do # also where nobody is left to end it
      sleep "$every" &
      wait $!
      tell "$text: $((SECONDS - begin)) s so far"
    done
  ) </dev/null >/dev/null &
  watcher=$!
  "$@" || status=$?
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  end_telling
  return "$status"
}

# follow_build LOG - ninja's lines from stdin to a file, and how far it is.
follow_build() {
  local line='' done=0 total=0 what='' begin=$SECONDS last=$SECONDS status now text
  while true; do
    status=0
    IFS= read -r -t "$every" line || status=$?
    if [ "$status" -eq 0 ]; then
      printf '%s\n' "$line" >>"$1"
      if [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*)$ ]]; then
        done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]} what=${BASH_REMATCH[3]##*/}
      fi
    elif [ "$status" -le 128 ]; then # the end, and no pause
      break
    fi
    now=$SECONDS
    if [ "$total" -gt 0 ] && [ $((now - last)) -ge "$every" ]; then
      last=$now
      text="building, step $done of $total, $((now - begin)) s so far"
      if [ "$done" -gt 0 ]; then
        text+=", about $(((now - begin) * (total - done) / done)) s left"
      fi
      tell "$text: $what"
    fi
  done
  end_telling
}

# build FOLDER [TARGET ...] - cmake --build with progress; what it printed only where it fails.
build() {
  local folder=$1 log begin=$SECONDS status=0
  shift
  log=$(mktemp)
  NINJA_STATUS='[%f/%t] ' cmake --build "$folder" ${1+--target "$@"} 2>&1 | follow_build "$log" ||
    status=$?
  if [ "$status" -eq 0 ]; then say "built, in $((SECONDS - begin)) s"; else cat "$log" >&2; fi
  rm -f "$log"
  return "$status"
}
