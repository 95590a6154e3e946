# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# An overlay port: the sources are the tree that it lies in.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
vcpkg_check_linkage(ONLY_STATIC_LIBRARY)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DBERTH_BUILD_HOST=ON
    -DBERTH_BUILD_SHARED=OFF
    -DBERTH_BUILD_SAMPLES=OFF
    -DBERTH_BUILD_EXAMPLES=OFF
    -DBERTH_BUILD_TESTS=OFF
    -DBERTH_BUILD_TOOLS=OFF
    -DBERTH_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/berth)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
