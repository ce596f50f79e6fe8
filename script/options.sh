# options.sh - the command lines of the scripts; to be sourced.
#
# A script says how it is called in its first lines, and --help prints them. The options of a script
# in front of a program of examples/ are those of the program, read in its source, so that what the
# program would not know is refused before anything is installed or built.

# shellcheck shell=bash disable=SC2034 # what is set here is read in the scripts

script=script/${0##*/}

# refuse TEXT - what is wrong with the command line; an option of no program is never passed on.
refuse() {
  echo "$script: $1; usage: $(sed -n '2s/^# \(.*\) - .*/\1/p' "$script") (--help lists them)" >&2
  exit 2
}

# print_help - the first lines of the script.
print_help() {
  sed -n '2s/^# /usage: /p; 3,/^[^#]/s/^#\( \|$\)//p' "$script"
}

# read_words "$@" - the words of a script that has no options; --help is answered.
read_words() {
  local word
  for word in "$@"; do
    case $word in
      --help) print_help && exit ;;
      -*) refuse "'$word' is not an option" ;;
    esac
  done
}

# list_options SOURCE - the options of a program, a line each: the name, and required or no, which is
# what its value is.
list_options() {
  sed -n 's/^ *{"\([a-z-]*\)", \(required\|no\)_argument, .*/\1 \2/p' "$1"
}

# read_options SOURCE "$@" - the options of the program whose list is in SOURCE. Sets
#
#   options   the options, as --name or --name=value
#   value     the last value of each that is there, by name; of one without values, yes
#   words     the rest
read_options() {
  declare -g -A value=()
  options=() words=()
  local name argument word
  local -A takes=()
  while read -r name argument; do takes[$name]=$argument; done < <(list_options "$1")
  shift
  while [ $# -gt 0 ]; do
    word=$1
    shift
    case $word in
      --) words+=("$@") && return ;;
      --*) ;;
      -?*) refuse "'$word' is not an option" ;;
      *) words+=("$word") && continue ;;
    esac
    name=${word%%=*} && name=${name#--}
    [[ $name =~ ^[a-z-]+$ ]] || refuse "'$word' is not an option"
    case ${takes[$name]-}$word in
      required*=*) value[$name]=${word#*=} ;;
      required*)
        [ $# -gt 0 ] || refuse "--$name needs a value"
        value[$name]=$1
        word=$word=$1
        shift
        ;;
      no*=*) refuse "--$name takes no value" ;;
      no*) value[$name]=yes ;;
      *) refuse "'$word' is not an option" ;;
    esac
    options+=("$word")
  done
}

# print_program_help PROGRAM SOURCE - the help of the script, and of the program where it is built.
print_program_help() {
  print_help
  echo
  if [ -x "$1" ]; then
    "$1" --help
  else
    printf 'The options, which %s --help explains once it is built:\n\n' "$1"
    list_options "$2" | sed 's/^\(.*\) required/  --\1 VALUE/; s/^\([^ ].*\) no/  --\1/'
  fi
}
