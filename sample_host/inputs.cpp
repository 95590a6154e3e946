// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "inputs.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace sample_host {
namespace {

namespace fs = std::filesystem;

void for_each_line(std::string_view text, const std::function<void(std::string_view)>& visit) {
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    visit(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

std::size_t count_words(std::string_view line) {
  std::size_t words = 0;
  bool inside = false;
  for (const char c : line) {
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\f';
    if (!space && !inside) words++;
    inside = !space;
  }
  return words;
}

// Without the characters that XML 1.0 does not allow: the licences have form feeds.
std::string escaped(std::string_view line) {
  std::string result;
  for (const char c : line) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      default:
        if (static_cast<unsigned char>(c) >= ' ' || c == '\t') result += c;
    }
  }
  return result;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error) && !entry.is_symlink(error)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Input read_input(const fs::path& file) {
  const auto fail = [&] { throw std::runtime_error(file.string() + ": " + std::generic_category().message(errno)); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.string().c_str(), "rb"), std::fclose);
  if (stream == nullptr) fail();
  Input input{file.string(), {}};
  char piece[64 * 1024];
  while (const std::size_t count = std::fread(piece, 1, sizeof(piece), stream.get())) input.bytes.append(piece, count);
  if (std::ferror(stream.get()) != 0) fail();
  return input;
}

std::vector<Input> machine_texts(const fs::path& fallback) {
  std::vector<fs::path> files = files_of("/usr/share/common-licenses");
  if (files.empty()) files = files_of(fallback);
  std::vector<Input> texts;
  for (const fs::path& file : files) {
    texts.push_back(read_input(file));
    texts.back().name = file.filename().string();
  }
  return texts;
}

Input as_csv(const Input& text) {
  Input csv{text.name + " (lines as CSV)", "line,words,characters,text\n"};
  std::size_t number = 0;
  for_each_line(text.bytes, [&](std::string_view line) {
    csv.bytes += std::to_string(++number) + ',' + std::to_string(count_words(line)) + ',' + std::to_string(line.size());
    csv.bytes += ",\"";
    for (const char c : line) csv.bytes.append(c == '"' ? 2 : 1, c);
    csv.bytes += "\"\n";
  });
  return csv;
}

Input as_xml(const Input& text) {
  // Every byte is a character of ISO 8859-1, so that texts in any encoding make a document.
  Input xml{text.name + " (as XML)", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<text name=\""};
  xml.bytes += escaped(text.name) + "\">\n";
  bool in_paragraph = false;
  std::size_t number = 0;
  for_each_line(text.bytes, [&](std::string_view line) {
    number++;
    const bool has_words = count_words(line) != 0;
    if (has_words != in_paragraph) xml.bytes += has_words ? "<paragraph>\n" : "</paragraph>\n";
    in_paragraph = has_words;
    if (has_words) xml.bytes += "<line number=\"" + std::to_string(number) + "\">" + escaped(line) + "</line>\n";
  });
  if (in_paragraph) xml.bytes += "</paragraph>\n";
  xml.bytes += "</text>\n";
  return xml;
}

}  // namespace sample_host
