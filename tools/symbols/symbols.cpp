// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// libdw, of elfutils: it reads what gcc and clang write, in every version, also where Debian keeps it in a file of its
// own (/usr/lib/debug/.build-id).
#include "tools/symbols/symbols.hpp"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "tools/top/published.hpp"

namespace berth::symbols {

namespace {

struct EndDwfl {
  void operator()(Dwfl* dwfl) const { dwfl_end(dwfl); }
};
using Session = std::unique_ptr<Dwfl, EndDwfl>;

const Dwfl_Callbacks kOfFiles = {dwfl_build_id_find_elf, dwfl_standard_find_debuginfo, dwfl_offline_section_address,
                                 nullptr};

std::string build_id_of(Dwfl_Module* module) {
  const unsigned char* bytes = nullptr;
  GElf_Addr place = 0;
  const int count = dwfl_module_build_id(module, &bytes, &place);
  std::string text;
  for (int byte = 0; byte < count; ++byte) {
    text += "0123456789abcdef"[bytes[byte] >> 4];
    text += "0123456789abcdef"[bytes[byte] & 15];
  }
  return text;
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string full_path(const char* folder, const char* file) {
  std::filesystem::path path = folder != nullptr ? folder : "";
  path /= file;
  return top::cleaned(path.lexically_normal().string());
}

// Where a call stands that was inlined.
bool call_of(Dwarf_Die* inlined, Dwarf_Files* files, Line& line) {
  Dwarf_Attribute attribute;
  Dwarf_Word file = 0;
  Dwarf_Word number = 0;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0) return false;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number) != 0) return false;
  const char* const name = dwarf_filesrc(files, file, nullptr, nullptr);
  if (name == nullptr || number == 0 || number > 1'000'000'000) return false;
  line = {full_path(nullptr, name), static_cast<int>(number), ""};
  return true;
}

// The function at an address may have others inlined into it. Its own line is told first, because it is what bears its
// name; then those of the others.
Line with_inlined(Dwfl_Module* module, Dwarf_Addr address, const Line& innermost) {
  constexpr int kMostInlined = 4;
  Dwarf_Addr bias = 0;
  Dwarf_Die* const unit = dwfl_module_addrdie(module, address, &bias);
  Dwarf_Files* files = nullptr;
  Dwarf_Die* scopes = nullptr;
  if (unit == nullptr || dwarf_getsrcfiles(unit, &files, nullptr) != 0) return innermost;
  const int count = dwarf_getscopes(unit, address - bias, &scopes);
  Dwarf_Die* parents = nullptr;
  // By where it lies, and not by where it was written.
  const int depth = count > 0 ? dwarf_getscopes_die(&scopes[0], &parents) : 0;
  Line line = innermost;
  int told = 0;
  for (int scope = 0; scope < depth; ++scope) {
    Line call;
    if (dwarf_tag(&parents[scope]) != DW_TAG_inlined_subroutine || !call_of(&parents[scope], files, call)) continue;
    const char* const name = dwarf_diename(&parents[scope]);
    if (told++ < kMostInlined) {
      call.inlined = ", in " + top::cleaned(name != nullptr ? name : "?") + " " + file_name(line.file) + ":" +
                     std::to_string(line.number) + line.inlined;
    }
    line = call;
  }
  std::free(parents);
  std::free(scopes);
  return line;
}

// Of the call before a return address, counted as dwfl does.
Line line_at(Dwfl_Module* module, Dwarf_Addr return_address) {
  Dwfl_Line* const found = dwfl_module_getsrc(module, return_address - 1);
  if (found == nullptr) return {};
  int number = 0;
  const char* const file = dwfl_lineinfo(found, nullptr, &number, nullptr, nullptr, nullptr);
  if (file == nullptr || number <= 0) return {};
  const char* const folder = file[0] != '/' ? dwfl_line_comp_dir(found) : nullptr;
  return with_inlined(module, return_address - 1, {full_path(folder, file), number, ""});
}

}  // namespace

std::string as_written(const std::string& frame) {
  const std::size_t offset = frame.rfind("+0x");
  if (frame.rfind("_Z", 0) != 0) return frame;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(frame.substr(0, offset).c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) return frame;
  return text.get() + (offset != std::string::npos ? frame.substr(offset) : "");
}

std::string Line::brief() const { return file.empty() ? "" : file_name(file) + ":" + std::to_string(number) + inlined; }

struct Files::File {
  Session session;
  Dwfl_Module* module = nullptr;  // null: no line of it is known
  Dwarf_Addr bias = 0;
  std::string why;
};

Files::Files() = default;
Files::~Files() = default;

Files::File& Files::file(const std::string& path, const std::string& build_id) {
  std::unique_ptr<File>& known = files_[{path, build_id}];
  if (known) return *known;
  known = std::make_unique<File>();
  File& file = *known;
  struct stat status = {};
  // A fifo would wait for a writer.
  if (path.empty() || path[0] != '/' || stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
    file.why = "is not there any more";
    return file;
  }
  file.session.reset(dwfl_begin(&kOfFiles));
  if (!file.session) return file;
  dwfl_report_begin(file.session.get());
  Dwfl_Module* const module = dwfl_report_offline(file.session.get(), "", path.c_str(), -1);
  dwfl_report_end(file.session.get(), nullptr, nullptr);
  if (module == nullptr || dwfl_module_getelf(module, &file.bias) == nullptr) {
    file.why = "cannot be read any more";
    return file;
  }
  if (build_id_of(module) != build_id) {
    file.why = "was built again since";
    return file;
  }
  Dwarf_Addr of_debug = 0;
  if (dwfl_module_getdwarf(module, &of_debug) == nullptr) {
    file.why = "was built without -g";
    return file;
  }
  if (build_id.empty()) file.why = "has no build-id: if it was built again since, they are those of the new one";
  file.module = module;
  return file;
}

Line Files::line_of(const std::string& path, const std::string& build_id, std::uint64_t return_address) {
  const File& found = file(path, build_id);
  return found.module != nullptr ? line_at(found.module, return_address + found.bias) : Line{};
}

std::string Files::why_not(const std::string& path, const std::string& build_id) { return file(path, build_id).why; }

}  // namespace berth::symbols
