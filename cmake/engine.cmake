# Our own code is built with these warnings as errors; system headers are not ours.
add_library(engine_warnings INTERFACE)
target_compile_options(engine_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Werror>)
target_include_directories(engine_warnings INTERFACE "${CMAKE_SOURCE_DIR}")

# The engine is built without exceptions: errors are values (docs/design.md, "Errors").
add_library(engine_flags INTERFACE)
target_link_libraries(engine_flags INTERFACE engine_warnings)
target_compile_options(engine_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)

if(ENGINE_SANITIZE)
  add_compile_options(-O0 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
    -Wno-subobject-linkage)
  add_link_options(-fsanitize=address,undefined)
endif()
if(ENGINE_FUZZ)
  add_compile_options(-O1 -g1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function
    -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

# engine_link_static(TARGET names...): the static library where Debian has one. Each worker process starts by loading
# what is shared; linked in, only what is used is there and nothing is looked up by name.
function(engine_link_static target)
  foreach(name ${ARGN})
    find_library(STATIC_${name} NAMES lib${name}.a ${name} REQUIRED)
    target_link_libraries(${target} PRIVATE "${STATIC_${name}}")
  endforeach()
endfunction()

# engine_library(NAME sources... ): one static library per folder.
function(engine_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC engine_flags)
endfunction()

# engine_test(NAME sources... [LIBS ...]): a GoogleTest binary registered with ctest.
function(engine_test name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE engine_flags ${ARG_LIBS} gtest gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()
