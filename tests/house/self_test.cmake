# cmake -D WORK=folder -D COMPILER=... -P self_test.cmake: each check of the house can fail.
#
# A small house without faults is built in a folder of its own and must pass; then one fault at a time is planted in it,
# and the check must name it.

cmake_minimum_required(VERSION 3.20)
function(build_house)
  file(REMOVE_RECURSE ${WORK})
  file(WRITE ${WORK}/CMakeLists.txt "")
  file(WRITE ${WORK}/include/tsrun/core/a.hpp "#pragma once\n#include <string>\ninline std::string a() { return {}; }\n")
  file(WRITE ${WORK}/include/tsrun/layout/b.hpp "#pragma once\n#include \"tsrun/core/a.hpp\"\n")
  file(WRITE ${WORK}/include/tsrun/engine/c.hpp "#pragma once\n#include \"tsrun/layout/b.hpp\"\n")
  file(WRITE ${WORK}/include/tsrun/cost/d.hpp "#pragma once\n#include \"tsrun/schedule/e.hpp\"\n")
  file(WRITE ${WORK}/include/tsrun/schedule/e.hpp "#pragma once\n")
  file(WRITE ${WORK}/src/store/f.cpp "#include <hdf5.h>\n#include <isa-l/crc.h>\n#include <sys/stat.h>\n#include <unistd.h>\n")
  file(WRITE ${WORK}/src/collectives/g.cpp "#include <mpi.h>\n")
  file(WRITE ${WORK}/src/kernels/h.cpp "#  include <omp.h>\n#include \"inner.hpp\"\n")
endfunction()

# expect(CHECK NAMED): the check passes where NAMED is empty, else fails and says what matches it.
function(expect check named)
  execute_process(COMMAND ${CMAKE_COMMAND} -D ROOT=${WORK} -D COMPILER=${COMPILER} -D WORK=${WORK}.views
                          -P ${CMAKE_CURRENT_LIST_DIR}/${check}.cmake
                  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  string(REGEX REPLACE "[ \n]+" " " said "${said}")  # CMake folds long lines
  if("${named}" STREQUAL "")
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "${check} fails on a house without faults: ${said}")
    endif()
  elseif(status EQUAL 0)
    message(FATAL_ERROR "${check} does not see: ${named}")
  elseif(NOT said MATCHES "${named}")
    message(FATAL_ERROR "${check} fails, but does not say \"${named}\": ${said}")
  endif()
endfunction()

# plant(CHECK FILE TEXT NAMED)
function(plant check file text named)
  build_house()
  file(WRITE ${WORK}/${file} "${text}")
  expect(${check} "${named}")
endfunction()

build_house()
expect(includes "")
expect(headers "")
expect(rooms "")
expect(names "")

# Includes that point up, sideways or nowhere.
plant(includes src/core/p.cpp "#include \"tsrun/layout/b.hpp\"\n" "core .floor 0. may not know layout")
plant(includes include/tsrun/layout/p.hpp " #  include <tsrun/model/x.hpp>\n" "layout .floor 0. may not know model")
plant(includes src/mesh/p.cpp "#include \"tsrun/kernels/x.hpp\"\n" "mesh .floor 3. may not know kernels")
plant(includes src/schedule/p.cpp "#include \"tsrun/cost/d.hpp\"\n" "schedule .floor 2. may not know cost")
plant(includes src/store/deep/p.hpp "#include \"tsrun/engine/c.hpp\"\n" "store .floor 4. may not know engine")
plant(includes src/core/p.cpp "#include \"../store/p.hpp\"\n" "a path that climbs leaves the module")
plant(includes src/attic/p.cpp "\n" "module attic stands on no floor")
plant(includes src/core/p.cpp "#include HEADER\n" "cannot read")

# Foreign headers outside their doors.
plant(includes src/engine/p.cpp "#include <mpi.h>\n" "mpi.h, whose door is mesh or collectives")
plant(includes src/mesh/p.cpp "#include <hdf5.h>\n" "hdf5.h, whose door is store")
plant(includes src/engine/p.cpp "#include <immintrin.h>\n" "immintrin.h, whose door is kernels")
plant(includes src/import/p.cpp "#include <boost/program_options.hpp>\n" "program_options.hpp, whose door is cli")
plant(includes src/import/p.cpp "#include <pcre2.h>\n" "pcre2.h, whose door is tokenizer")
plant(includes src/core/p.cpp "#include <isa-l.h>\n" "isa-l.h, whose door is store")
plant(includes src/store/p.cpp "#include <nlohmann/json.hpp>\n" "json.hpp, whose door is cli or import")
plant(includes src/store/p.cpp "#include <openssl/sha.h>\n" "sha.h, whose door is cli")
plant(includes src/collectives/p.cpp "#include <omp.h>\n" "omp.h, whose door is kernels or engine")
plant(includes src/cli/p.cpp "#include <zlib.h>\n" "zlib.h, a foreign header without a door")
plant(includes src/planner/p.cpp "#include <sys/stat.h>\n" "planner is pure")

# Headers that lean on others.
plant(headers include/tsrun/core/p.hpp "#pragma once\ninline std::string p() { return {}; }\n" "core/p.hpp does not compile alone")
plant(headers include/tsrun/core/p.hpp "struct P {};\n" "core/p.hpp does not compile alone")
plant(headers include/tsrun/core/p.hpp "#pragma once\n#include \"tsrun/layout/b.hpp\"\n" "core/p.hpp does not compile alone")

# A name that two modules define.
build_house()
file(WRITE ${WORK}/include/tsrun/cost/d.hpp "#pragma once\nnamespace tsrun {\nstruct A {\n};\n}\n")
file(WRITE ${WORK}/src/store/d.hpp "#pragma once\nnamespace tsrun {\nclass A final : B {\n};\n}\n")
expect(names "tsrun::A is defined in include/tsrun/cost/d.hpp and in src/store/d.hpp")
file(WRITE ${WORK}/src/store/d.hpp "#pragma once\nnamespace tsrun {\nstruct A;\n}\n")
expect(names "")

# Things that lie around, and files that have grown.
plant(rooms notes.txt "" "notes.txt has no place at the top level")
string(REPEAT "// [one;more\n" 401 grown)
plant(rooms src/core/p.cpp "${grown}" "p.cpp has 401 lines, more than 400")
file(REMOVE_RECURSE ${WORK} ${WORK}.views)
