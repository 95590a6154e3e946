# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
"""Conan 2's recipe: the sources are the tree that it lies in."""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load

# Of the tree: what a build without tests and tools reads.
SOURCES = ("CMakeLists.txt", "LICENSE", "cmake/*", "arenas/*", "allocator/*", "host_api/*")


class Berth(ConanFile):
    name = "berth"
    description = "An isolated allocator instance for every plugin"
    license = "MIT"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_shared": [True, False]}
    default_options = {"with_shared": False, "boost/*:header_only": True}

    def _tree(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._tree(), "host_api", "include", "berth", "version.h"))
        self.version = ".".join(re.findall(r"define BERTH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))

    def export_sources(self):
        for pattern in SOURCES:
            copy(self, pattern, self._tree(), self.export_sources_folder)

    def validate(self):
        if self.settings.os != "Linux" or self.settings.arch != "x86_64":
            raise ConanInvalidConfiguration("this recipe is for Linux on x86-64")

    def requirements(self):
        self.requires("boost/[>=1.74]", visible=False)  # Boost.DLL's headers, for the loader alone

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for what in ("SAMPLES", "EXAMPLES", "TESTS", "TOOLS"):
            toolchain.cache_variables[f"BERTH_BUILD_{what}"] = False
        toolchain.cache_variables["BERTH_BUILD_HOST"] = True
        toolchain.cache_variables["BERTH_BUILD_SHARED"] = bool(self.options.with_shared)
        toolchain.cache_variables["BERTH_INSTALL"] = True
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()

    def package_info(self):
        # Berth brings CMake's files itself: they choose the archive by what links it.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "berth")]
