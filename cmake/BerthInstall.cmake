# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# What is installed: the headers, the archives, the licence, the package files of CMake and of pkg-config.
include(CMakePackageConfigHelpers)

set(installed berth_executable berth_module berth_berth berth_plugin berth_plugin_new)
if(BERTH_BUILD_HOST)
  list(APPEND installed berth_host)
endif()
if(TARGET berth_routing)
  list(APPEND installed berth_routing)
endif()
if(TARGET berth_shared)
  list(APPEND installed berth_shared)
endif()
install(TARGETS ${installed} EXPORT berth
  ARCHIVE COMPONENT dev
  LIBRARY COMPONENT library NAMELINK_COMPONENT dev
  FILE_SET HEADERS COMPONENT dev)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/berth)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/berth)
install(EXPORT berth NAMESPACE berth:: FILE berthTargets.cmake DESTINATION ${package_folder} COMPONENT dev)
configure_package_config_file(cmake/berthConfig.cmake.in berthConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(berthConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/berthConfig.cmake ${PROJECT_BINARY_DIR}/berthConfigVersion.cmake
  DESTINATION ${package_folder} COMPONENT dev)

# pkg-config has no conditions: who links says with the name what is linked.
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_here /prefix/${pkgconfig_folder} /prefix)

# berth_pkgconfig(name target requires description)
function(berth_pkgconfig name target requires description)
  set(libs "")
  set(cflags "-I\${includedir}")
  set(libs_private "")
  if(target MATCHES "^berth_(host|plugin_new)$" AND WIN32)
    set(libs_private "-lstdc++ -lntdll")
  elseif(target MATCHES "^berth_(host|plugin_new)$")
    set(libs_private "-lstdc++ -lm -lgcc_s -ldl -pthread")
  endif()
  if(NOT target STREQUAL berth_plugin)
    get_target_property(options ${target} INTERFACE_LINK_OPTIONS)
    list(TRANSFORM options REPLACE "^LINKER:" "-Wl,")
    get_target_property(library ${target} OUTPUT_NAME)
    if(NOT library)
      set(library ${target})
    endif()
    list(PREPEND options "-L\${libdir}" -l${library})
    list(FILTER options EXCLUDE REGEX "NOTFOUND$")
    list(JOIN options " " libs)
    set(cflags "")
  endif()
  configure_file(cmake/berth.pc.in ${name}.pc.in @ONLY)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/${name}.pc INPUT ${PROJECT_BINARY_DIR}/${name}.pc.in)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_folder} COMPONENT dev)
endfunction()

berth_pkgconfig(berth-plugin berth_plugin "" "Berth's headers, for plugins")
berth_pkgconfig(berth-plugin-new berth_plugin_new berth-plugin "new and delete of C++ plugins")
berth_pkgconfig(berth berth_executable berth-plugin "Berth, for executables")
berth_pkgconfig(berth-module berth_module berth-plugin "Berth, for libraries that are loaded")
if(BERTH_BUILD_HOST)
  berth_pkgconfig(berth-host berth_host berth "Berth's plugin loader, for executables")
endif()
if(TARGET berth_routing)
  berth_pkgconfig(berth-routing berth_routing berth-host "Berth's malloc family for executables that route their plugins")
endif()
if(TARGET berth_shared)
  berth_pkgconfig(berth-shared berth_shared berth-plugin "Berth and its loader, for hosts in any language")
endif()
