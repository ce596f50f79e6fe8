# cmake -DPROGRAM=... -DVERSION=... -DMANUAL=... -P write_manual.cmake - a manual page of what the
# program cudrop prints for --help, and for --help of each of its commands.

# Set `result` to what the program prints, with what troff would take for its own escaped.
function(read_help result)
  execute_process(COMMAND ${PROGRAM} ${ARGN} --help OUTPUT_VARIABLE text
    COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\\" "\\e" text "${text}")
  string(REPLACE "-" "\\-" text "${text}")
  string(REGEX REPLACE "\n([.'])" "\n\\\\&\\1" text "${text}")
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

read_help(help)
set(page ".TH CUDROP 1 \"\" \"cudrop ${VERSION}\"
.SH NAME
cudrop \\- measure, inspect and verify dropout on this machine
.SH SYNOPSIS
.nf
${help}.fi
")
execute_process(COMMAND ${PROGRAM} --help OUTPUT_VARIABLE plain COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\n  [a-z]+  " commands "${plain}")
if(NOT commands)
  message(FATAL_ERROR "the help of ${PROGRAM} names no commands")
endif()
foreach(command IN LISTS commands)
  string(STRIP "${command}" command)
  read_help(help ${command})
  string(TOUPPER "${command}" heading)
  string(APPEND page ".SH ${heading}\n.nf\n${help}.fi\n")
endforeach()
string(APPEND page ".SH SEE ALSO\nThe header cudrop/cudrop.h is the manual of the library.\n")
file(WRITE ${MANUAL} "${page}")
