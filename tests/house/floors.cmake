# The plan of the house as data: on which floor each module stands, and which foreign header has its door where.
#
# An include goes to a lower floor. On one floor nobody includes a neighbour, but for the pairs named in `beside`. Rooms of
# `trace`, `sim`, `calibrate` and `bench` are kept free.
set(floor_of_core 0)
set(floor_of_layout 0)
set(floor_of_model 0)
set(floor_of_program 1)
set(floor_of_trace 1)
set(floor_of_schedule 2)
set(floor_of_cost 2)
set(floor_of_mesh 3)
set(floor_of_kernels 3)
set(floor_of_sim 3)
set(floor_of_planner 3)
set(floor_of_collectives 4)
set(floor_of_store 4)
set(floor_of_import 4)
set(floor_of_tokenizer 4)
set(floor_of_engine 5)
set(floor_of_calibrate 6)
set(floor_of_bench 6)
set(floor_of_cli 7)

set(beside layout>core model>core model>layout cost>schedule)

# Floors 0 to 2, and these two of floor 3, are pure: the C++ standard library and nothing else.
set(pure sim planner)

# header pattern = modules with that door
set(doors
    "^mpi\\.h$=mesh,collectives"
    "^(hdf5|H5[A-Z].*)\\.h$=store"
    "^boost/=cli"
    "^pcre2\\.h$=tokenizer"
    "^isa-l(\\.h|/)=store"
    "^nlohmann/=cli,import"
    "^openssl/=cli"
    "^omp\\.h$=kernels,engine"
    "^(immintrin|arm_neon|cpuid)\\.h$=kernels")

# The system's own headers, open to every module that is not pure.
set(system_headers
    "^((sys|linux|netinet|arpa)/.*|unistd|fcntl|sched|poll|dlfcn|signal|time|errno|pthread|termios|langinfo|pwd|limits)\\.h$")

# may_include(FROM TO OUT): whether a file of module FROM may include a header of module TO.
function(may_include from to out)
  set(${out} FALSE PARENT_SCOPE)
  if(from STREQUAL to OR "${from}>${to}" IN_LIST beside)
    set(${out} TRUE PARENT_SCOPE)
  elseif(DEFINED floor_of_${from} AND DEFINED floor_of_${to} AND floor_of_${to} LESS floor_of_${from})
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

# modules_of(ROOT OUT): the modules that exist, by their folders.
function(modules_of root out)
  file(GLOB folders RELATIVE ${root} ${root}/src/* ${root}/include/tsrun/*)
  set(modules)
  foreach(folder ${folders})
    if(IS_DIRECTORY ${root}/${folder})
      get_filename_component(module ${folder} NAME)
      list(APPEND modules ${module})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES modules)
  set(${out} ${modules} PARENT_SCOPE)
endfunction()
