# Compiles SOURCE twice: as it is, which must succeed, and with TSRUN_WRONG defined, which must be refused with a message
# that matches REASON. The first is the proof that the second fails for that reason and not for a missing header.
set(compile ${COMPILER} -std=c++20 -fsyntax-only -I${INCLUDE})
execute_process(COMMAND ${compile} ${SOURCE} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} must compile while TSRUN_WRONG is not defined:\n${said}")
endif()
execute_process(COMMAND ${compile} -DTSRUN_WRONG ${SOURCE} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles with TSRUN_WRONG defined")
endif()
if(NOT said MATCHES "${REASON}")
  message(FATAL_ERROR "${SOURCE} is refused, but not because of \"${REASON}\":\n${said}")
endif()
