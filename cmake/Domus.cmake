# The two ways in which this project makes targets: a library for each folder of src/, and programs.
# Every source beside the CMakeLists.txt belongs to the library; every *_test.cpp to its unit test.

add_library(domus_options INTERFACE)
target_include_directories(domus_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_compile_options(domus_options INTERFACE
  -fPIE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  # fmt 9 and Asio 1.81 trip these in g++ 12 although the code is right (GCC bugs 105562, 107138)
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-restrict -Wno-dangling-pointer -Wno-mismatched-new-delete -Wno-subobject-linkage>
  # clang reports a call inside libstdc++ 12's stable_sort
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
target_link_options(domus_options INTERFACE -pie)
target_compile_definitions(domus_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED DOMUS_VERSION="${PROJECT_VERSION}")
# Linked everywhere: their definitions are part of the precompiled header's, which must be the same for all.
target_link_libraries(domus_options INTERFACE Threads::Threads fmt::fmt spdlog::spdlog Boost::json)
if(DOMUS_SANITIZE)
  target_compile_options(domus_options INTERFACE -fsanitize=${DOMUS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(DOMUS_SANITIZE MATCHES thread)
    # Asio's fences are not modelled; what it hands from thread to thread goes through its mutexes too.
    target_compile_options(domus_options INTERFACE -Wno-tsan)
  endif()
  if(DOMUS_SANITIZE MATCHES undefined)
    # This check opens a pipe to see whether memory can be read, and so finds fault with a process that has no descriptors
    # left, as some tests want it.
    target_compile_options(domus_options INTERFACE -fno-sanitize=vptr)
  endif()
  target_link_options(domus_options INTERFACE -fsanitize=${DOMUS_SANITIZE})
endif()

add_library(domus_asio STATIC ${CMAKE_SOURCE_DIR}/src/base/asio_impl.cc)
target_link_libraries(domus_asio PUBLIC domus_options)

# One precompiled header for all: the standard library, fmt and Asio, which is most of every file's cost.
file(WRITE ${CMAKE_BINARY_DIR}/generated/pch_anchor.cpp "")
add_library(domus_pch OBJECT ${CMAKE_BINARY_DIR}/generated/pch_anchor.cpp)
target_link_libraries(domus_pch PUBLIC domus_options)
target_precompile_headers(domus_pch PRIVATE <base/precompiled.hpp>)

# Presets with unity builds compile several sources of a target as one, which costs a sixth of the time. A file whose names
# collide with a neighbour's gets a line in alone.txt.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/alone.txt)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/alone.txt alone_sources REGEX "^[^#]")
list(TRANSFORM alone_sources PREPEND ${CMAKE_SOURCE_DIR}/src/)

function(domus_target target)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    if(source IN_LIST alone_sources)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
  target_link_libraries(${target} PUBLIC domus_options domus_asio)
  target_precompile_headers(${target} REUSE_FROM domus_pch)
endfunction()

# domus_kinds(NAMESPACE FOLDER TYPE HEADER NAMES...): the kinds of a thing, a file each: FOLDER/NAME.cpp, which defines
# `const TYPE& kind_NAME()` in domus::NAMESPACE. Other files of the folder are what kinds share. Sets X_kinds, where X is the last
# part of the namespace, to these sources and to one that defines all_kinds(), the list of them in this order, so that this call
# is the registry. No static constructors: a static library drops what nobody names. Kinds of a thing look alike, down to the
# names in their anonymous namespaces, so that each is compiled alone.
function(domus_kinds namespace folder type header)
  string(REPLACE "::" "/" path ${namespace})
  cmake_path(GET path FILENAME library)
  set(declarations "")
  set(references "")
  set(sources "")
  foreach(name ${ARGN})
    string(APPEND declarations "const ${type}& kind_${name}();\n")
    string(APPEND references "&kind_${name}(), ")
    list(APPEND sources ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${name}.cpp)
  endforeach()
  file(GLOB present CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  list(FILTER present EXCLUDE REGEX "_test\\.cpp$")
  list(REMOVE_ITEM present ${sources})
  foreach(file ${present})
    file(STRINGS ${file} definitions REGEX "& kind_")
    if(definitions)
      message(FATAL_ERROR "not in the list of domus_kinds(${namespace}): ${file}")
    endif()
  endforeach()
  set_source_files_properties(${sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set(list ${CMAKE_BINARY_DIR}/generated/${path}/all_kinds.cpp)
  file(CONFIGURE OUTPUT ${list} CONTENT "// Made by domus_kinds() of cmake/Domus.cmake.
#include \"${header}\"

namespace domus::${namespace} {

${declarations}
std::span<const ${type}* const> all_kinds() {
    static const ${type}* const kinds[]{${references}};
    return kinds;
}

} // namespace domus::${namespace}
")
  set(${library}_kinds ${sources} ${present} ${list} PARENT_SCOPE)
endfunction()

# domus_library(NAME [LINK libraries...] [SOURCES sources...]): libdomus_NAME from this folder and those sources, and its unit
# test NAME_test.
function(domus_library name)
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(APPEND sources ${ARG_SOURCES})
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  add_library(domus_${name} STATIC ${sources})
  domus_target(domus_${name})
  target_link_libraries(domus_${name} PUBLIC ${ARG_LINK})
  if(DOMUS_TESTS AND tests)
    domus_unit_test(${name} "${tests}" domus_${name})
  endif()
endfunction()

function(domus_unit_test name sources)
  add_executable(${name}_test ${sources})
  domus_target(${name}_test)
  target_link_libraries(${name}_test PRIVATE ${ARGN} GTest::gmock GTest::gtest_main)
  add_test(NAME unit.${name} COMMAND ${name}_test)
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 600 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

function(domus_program name)
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  domus_target(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  install(TARGETS ${name})
endfunction()
