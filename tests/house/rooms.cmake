# cmake -D ROOT=... -P rooms.cmake: the top level holds what it may, and no file of the source is too long to be read in
# a sitting. Folders that begin with `build` are what a build leaves behind, and git ignores them.
cmake_minimum_required(VERSION 3.20)
set(top CMakeLists.txt src include launch tests data README.md)
set(longest 400)

set(faults)
file(GLOB entries RELATIVE ${ROOT} ${ROOT}/*)
foreach(entry ${entries})
  if(NOT entry MATCHES "^\\." AND NOT entry IN_LIST top AND NOT (entry MATCHES "^build" AND IS_DIRECTORY ${ROOT}/${entry}))
    list(APPEND faults "${entry} has no place at the top level")
  endif()
endforeach()

file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/src/* ${ROOT}/include/*)
foreach(file ${files})
  file(READ ${ROOT}/${file} text)
  string(REGEX REPLACE "[^\n]" "" newlines "${text}")
  string(LENGTH "${newlines}" lines)
  if(lines GREATER longest)
    list(APPEND faults "${file} has ${lines} lines, more than ${longest}")
  endif()
endforeach()

if(faults)
  list(JOIN faults "\n" text)
  message(FATAL_ERROR "${text}")
endif()
