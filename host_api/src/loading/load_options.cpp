// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The options by what they concern: the copy, the opening, the instance.
#include "host_api/src/loading/load_options.hpp"

#include "host_api/src/references/module_search.hpp"

namespace berth::detail {

namespace {

// The names of those that are set, with commas.
class Names {
 public:
  void add_if(bool set, const char* name) {
    if (set) text_ += (text_.empty() ? "" : ", ") + std::string(name);
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

std::string of_the_instance(const LoadOptions& options) {
  Names names;
  names.add_if(options.span_bytes != 0, "span_bytes");
  names.add_if(options.quota_bytes != 0, "quota_bytes");
  names.add_if(options.hardening != BERTH_HARDENING_DEFAULT, "hardening");
  names.add_if(options.huge_pages != BERTH_HUGE_PAGES_AUTO, "huge_pages");
  names.add_if(options.flags != 0, "flags");
  names.add_if(options.on_misuse != nullptr, "on_misuse");
  names.add_if(options.on_misuse_context != nullptr, "on_misuse_context");
  names.add_if(options.on_pressure != nullptr, "on_pressure");
  names.add_if(options.on_pressure_context != nullptr, "on_pressure_context");
  names.add_if(options.user_data != nullptr, "user_data");
  names.add_if(options.realtime_bytes != 0, "realtime_bytes");
  names.add_if(options.sample_bytes != 0, "sample_bytes");
  names.add_if(options.realtime_threads != 0, "realtime_threads");
  return names.text();
}

std::string of_the_opening(const LoadOptions& options) {
  Names names;
  names.add_if(options.global_symbols, "global_symbols");
  names.add_if(options.private_copy, "private_copy");
  names.add_if(options.keep_copy, "keep_copy");
  return names.text();
}

// What neither a load nor an adoption can do.
std::string general_defect(const LoadOptions& options) {
  if (options.check_references > References::Refuse) return "check_references is none of Ignore, Report and Refuse";
  if (options.check_references == References::Refuse && !references::can_search_for_modules()) {
    return "check_references cannot refuse: this system does not tell who points into a module";
  }
  return {};
}

}  // namespace

std::string load_option_defect(const LoadOptions& options) {
  if (options.private_copy && options.global_symbols) {
    return "private_copy and global_symbols exclude each other: another copy would be bound to this one's symbols";
  }
  if (options.keep_copy && !options.private_copy) return "keep_copy is without effect where private_copy is not set";
  return general_defect(options);
}

std::string adopt_option_defect(const LoadOptions& options, bool has_instance) {
  if (std::string defect = general_defect(options); !defect.empty()) return defect;
  if (const std::string names = of_the_opening(options); !names.empty()) {
    return "options without effect, for the module that is adopted is open already: " + names;
  }
  if (!has_instance) return {};
  if (const std::string names = of_the_instance(options); !names.empty()) {
    return "options without effect, for the instance given has what it was created with: " + names;
  }
  return {};
}

}  // namespace berth::detail
