# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
"""recipes.py <root> <work folder> <cmake>: the recipes in packaging/, as far as they can be looked at without a registry.

The version is the tree's. Configuring with the options of each, from the sources that it takes, succeeds and knows every
option. vcpkg's and Conan's own modules are stood in for: these note what they are given."""
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import types

root, work, cmake = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
header = (root / "host_api/include/berth/version.h").read_text()
version = ".".join(re.findall(r"define BERTH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))


def configure(name, source, options):
    assert len(options) >= 6, options
    done = subprocess.run([cmake, "-S", source, "-B", work / name, "-DCMAKE_BUILD_TYPE=Release", *options],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Manually-specified variables were not used" not in done.stderr, done.stderr
    print(f"{name}: configured with {len(options)} options")


# vcpkg
port = root / "packaging/vcpkg/berth"
assert json.loads((port / "vcpkg.json").read_text())["version"] == version, "vcpkg.json has another version"
stand_in = work / "vcpkg.cmake"
stand_in.write_text("""
function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  message(STATUS "source=${arg_SOURCE_PATH}")
  foreach(option IN LISTS arg_OPTIONS)
    message(STATUS "option=${option}")
  endforeach()
endfunction()
foreach(name check_linkage cmake_install cmake_config_fixup fixup_pkgconfig install_copyright)
  cmake_language(EVAL CODE "function(vcpkg_${name})\\nmessage(STATUS \\"called=${name}\\")\\nendfunction()")
endforeach()
set(CURRENT_PACKAGES_DIR ${WORK}/package)
include(${PORT}/portfile.cmake)
""")
said = subprocess.run([cmake, f"-DPORT={port}", f"-DWORK={work}", "-P", stand_in], check=True, capture_output=True,
                      text=True).stdout
assert "called=cmake_install" in said and "called=install_copyright" in said, said
configure("vcpkg", re.search("source=(.*)", said)[1], re.findall("option=(.*)", said))

# Conan
given = {}


class Toolchain:
    def __init__(self, _recipe):
        self.cache_variables = given

    def generate(self):
        pass


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)


def copy(_recipe, pattern, source, target):
    for path in pathlib.Path(source).glob(pattern.replace("/*", "/**/*")):
        if path.is_file():
            to = pathlib.Path(target) / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)


module("conan", ConanFile=object)
module("conan.errors", ConanInvalidConfiguration=RuntimeError)
module("conan.tools")
module("conan.tools.cmake", CMake=None, CMakeDeps=Toolchain, CMakeToolchain=Toolchain, cmake_layout=None)
module("conan.tools.files", copy=copy, load=lambda _recipe, path: pathlib.Path(path).read_text())
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("conanfile", root / "packaging/conan/conanfile.py")
conanfile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conanfile)
recipe = conanfile.Berth()
recipe.recipe_folder = str(root / "packaging/conan")
recipe.export_sources_folder = str(work / "conan_sources")
recipe.options = types.SimpleNamespace(with_shared=True)
recipe.set_version()
assert recipe.version == version, recipe.version
recipe.export_sources()
recipe.generate()
configure("conan", recipe.export_sources_folder, [f"-D{name}={'ON' if on else 'OFF'}" for name, on in given.items()])
