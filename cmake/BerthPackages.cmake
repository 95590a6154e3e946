# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Debian's packages, by cpack from the preset `packages`: scripts/package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME berth)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "isolated allocator instance for every plugin")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "the Berth authors <berth@example.org>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL library dev tools doc)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
file(WRITE ${PROJECT_BINARY_DIR}/package_files/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package_files/triggers)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# berth_package(component name section depends summary text)
macro(berth_package component name section depends summary text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${text}")
  foreach(file IN ITEMS copyright changelog.gz changelog.Debian.gz)
    install(FILES ${PROJECT_BINARY_DIR}/package_files/${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
      COMPONENT ${component} EXCLUDE_FROM_ALL)
  endforeach()
endmacro()
set(library libberth${PROJECT_VERSION_MAJOR})
berth_package(library ${library} libs "" "allocator that gives each plugin an instance of its own"
  "Loads plugins, meters and bounds their memory, and gives all of it back when\nthey are unloaded. This is the shared library, for hosts in any language.")
berth_package(dev libberth-dev libdevel "${library} (= ${PROJECT_VERSION}-1)"
  "allocator that gives each plugin an instance of its own (development)"
  "Headers and archives for hosts and for plugins, with files for CMake and for\npkg-config.")
berth_package(tools berth-tools devel "" "meters the plugins of a program that knows nothing of it"
  "berth run starts an unmodified program and tells what each of its plugins\nallocates, keeps and forgets. berth top shows running programs.")
berth_package(doc libberth-doc doc "" "allocator that gives each plugin an instance of its own (pages)"
  "How to embed it, how to write plugins for it, and how it is built.")
set(CPACK_DEBIAN_DOC_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DOC_PACKAGE_SHLIBDEPS OFF)

# What policy asks of each: who may do what with it, and what has changed.
set(files ${PROJECT_BINARY_DIR}/package_files)
file(READ LICENSE licence)
string(REGEX REPLACE "^.*authors\n+" "" licence "${licence}")
string(STRIP "${licence}" licence)
string(REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REPLACE "\n" "\n " licence "${licence}")
string(TIMESTAMP year "%Y")
file(WRITE ${files}/copyright
  "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: berth\n\n"
  "Files: *\nCopyright: ${year} the Berth authors\nLicense: Expat\n ${licence}\n")
string(TIMESTAMP today "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${files}/changelog.Debian
  "berth (${PROJECT_VERSION}-1) unstable; urgency=medium\n\n  * As released.\n\n"
  " -- ${CPACK_PACKAGE_CONTACT}  ${today}\n")
find_program(BERTH_GZIP gzip REQUIRED)
set(pages berth berth-run berth-top berth-report)
set(compressed CHANGELOG.md=changelog.gz)
foreach(page IN LISTS pages)
  list(APPEND compressed tools/berth/${page}.1=${page}.1.gz)
endforeach()
foreach(file IN LISTS compressed)
  string(REGEX MATCH "(.*)=(.*)" file ${file})
  execute_process(COMMAND ${BERTH_GZIP} -9nc ${PROJECT_SOURCE_DIR}/${CMAKE_MATCH_1} OUTPUT_FILE ${files}/${CMAKE_MATCH_2}
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND ${BERTH_GZIP} -9nc ${files}/changelog.Debian OUTPUT_FILE ${files}/changelog.Debian.gz
  COMMAND_ERROR_IS_FATAL ANY)
list(TRANSFORM pages PREPEND ${files}/)
list(TRANSFORM pages APPEND .1.gz)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools EXCLUDE_FROM_ALL)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libberth-doc COMPONENT doc EXCLUDE_FROM_ALL
  PATTERN doxygen EXCLUDE)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libberth-doc COMPONENT doc EXCLUDE_FROM_ALL
  PATTERN __pycache__ EXCLUDE)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libberth-doc COMPONENT doc EXCLUDE_FROM_ALL)
include(CPack)
