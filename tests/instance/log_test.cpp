// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Log lines as records: how bad, and what about; and who receives them when handlers take each other's place.
#include "berth/log.h"

#include <string>
#include <vector>

#include "berth/instance.h"
#include "support/catch.hpp"

namespace {

struct Record {
  std::uint32_t severity;
  std::uint32_t code;
  std::string line;
};

void note_record(void* context, const berth_log_record* record) {
  REQUIRE(record->struct_size == sizeof(*record));
  static_cast<std::vector<Record>*>(context)->push_back({record->severity, record->code, record->line});
}

void note_line(void* context, const char* line) { static_cast<std::vector<std::string>*>(context)->push_back(line); }

void fail_to_create() {
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = "refused";
  options.span_bytes = 1;
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(&options, &instance) == BERTH_ERR_INVALID_ARGUMENT);
}

}  // namespace

TEST_CASE("a line of the log comes with its severity and its code") {
  std::vector<Record> records;
  berth_set_log_records(note_record, &records);
  fail_to_create();
  berth_set_log_records(nullptr, nullptr);
  REQUIRE(records.size() == 1);
  CHECK(records[0].severity == BERTH_LOG_ERROR);
  CHECK(records[0].code == BERTH_LOG_CODE_CREATE_FAILED);
  CHECK(records[0].line.find("refused") != std::string::npos);
}

TEST_CASE("the log handler that was set last receives all, whichever kind it is") {
  std::vector<Record> records;
  std::vector<std::string> lines;
  berth_set_log(note_line, &lines);
  berth_set_log_records(note_record, &records);
  fail_to_create();
  CHECK(records.size() == 1);
  CHECK(lines.empty());
  berth_set_log(note_line, &lines);
  fail_to_create();
  berth_set_log(nullptr, nullptr);
  CHECK(records.size() == 1);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == records[0].line);
}
