// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What plugins work on: files, and what is made of the licence texts of the machine when nothing is given.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sample_host {

struct Input {
  std::string name;  // for people: the file's name as given
  std::string bytes;
};

// The whole file. Throws std::runtime_error with the file's name and the cause.
Input read_input(const std::filesystem::path& file);

// The licence texts that a Debian machine has, each once; elsewhere the files of `fallback`.
std::vector<Input> machine_texts(const std::filesystem::path& fallback);

// The lines of a text as a CSV table: line, words, characters, text.
Input as_csv(const Input& text);

// A text as an XML document of paragraphs and lines.
Input as_xml(const Input& text);

}  // namespace sample_host
