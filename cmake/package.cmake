# SPDX-License-Identifier: MIT
# Debian packages, by `cpack -G DEB` (./run package): libweir0.1, the shared libraries; libweir-dev, to compile with; weir, the command. The
# dependencies are those that dpkg-shlibdeps finds.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The Weir authors <weir@localhost>" CACHE STRING "Who builds the packages: NAME <ADDRESS>")
set(CPACK_PACKAGE_VENDOR Weir)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "stacked LSTM networks, reproducible to the bit")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL library development command)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(library libweir${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# describe COMPONENT CONTENT
function(describe component content)
  set(CPACK_DEBIAN_${component}_DESCRIPTION "Weir runs and trains stacked LSTM networks, with or without peepholes,
from C. Every result is the same to the bit on every CPU, compiler and
number of threads.

This package has ${content}." PARENT_SCOPE)
endfunction()

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${library})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libweir-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${library} (= ${PROJECT_VERSION}), libjansson-dev, libnanopb-dev")
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME weir)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION math)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SUGGESTS gnuplot-nox)
describe(LIBRARY "the shared libraries")
describe(DEVELOPMENT "the header, the static libraries, and\nfiles for CMake and pkg-config")
describe(COMMAND "the command, which trains, forecasts, generates,\nclassifies and converts")

# Which package a program needs that was linked with the libraries; and that the linker's cache is to be renewed.
set(control ${PROJECT_BINARY_DIR}/debian)
file(WRITE ${control}/shlibs "")
foreach(name libweir libweir-format)
  file(APPEND ${control}/shlibs "${name} ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} ${library} (>= ${PROJECT_VERSION})\n")
endforeach()
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${control}/shlibs ${control}/triggers)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/compress-man.cmake)

# What Debian wants of every package: its licence, and its changes.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(pair "library ${library}" "development libweir-dev" "command weir")
  separate_arguments(pair)
  list(GET pair 0 component)
  list(GET pair 1 package)
  set(folder ${PROJECT_BINARY_DIR}/debian/${package})
  file(WRITE ${folder}/changelog "weir (${PROJECT_VERSION}) unstable; urgency=medium\n\n  * CHANGELOG.md tells the changes.\n\n"
                                 " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  execute_process(COMMAND gzip -9nf ${folder}/changelog)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} RENAME copyright COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${folder}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
