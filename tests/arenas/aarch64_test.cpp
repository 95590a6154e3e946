// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a processor of AArch64 and Linux on it leave in words and records, as given values: they mean the same to every
// machine that this runs on.
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "arenas/pal/return_address.hpp"
#include "arenas/pal/signal_records_aarch64.hpp"
#include "support/catch.hpp"

using namespace berth::pal;
using namespace berth::pal::aarch64;

namespace {

class Records {
 public:
  Records() : bytes_(kRoom) {}

  // A record of a kind, of so many bytes with its head, that begins with a number.
  Records& add(std::uint32_t magic, std::uint32_t bytes, std::uint64_t number = 0) {
    const RecordHead head{magic, bytes};
    std::memcpy(&bytes_[used_], &head, sizeof(head));
    if (bytes >= 16) std::memcpy(&bytes_[used_ + sizeof(head)], &number, sizeof(number));
    used_ += bytes;
    return *this;
  }
  const void* data() const { return bytes_.data(); }

  static constexpr std::size_t kRoom = 4096;

 private:
  std::vector<unsigned char> bytes_;
  std::size_t used_ = 0;
};

constexpr std::uint32_t kVectorMagic = 0x46508001;
constexpr std::uint64_t kDataAbort = std::uint64_t{0x24} << 26 | 1u << 25;
constexpr std::uint64_t kTranslation = 0x06;

const void* at(std::uintptr_t address) { return reinterpret_cast<const void*>(address); }

}  // namespace

TEST_CASE("a syndrome says what an access was to do") {
  CHECK(kind_of_fault(kDataAbort | kTranslation) == FaultKind::Read);
  CHECK(kind_of_fault(kDataAbort | kTranslation | 1u << 6) == FaultKind::Write);
  CHECK(kind_of_fault(0x92000046) == FaultKind::Write);  // as a kernel has given it for a store through null
  CHECK(kind_of_fault(0x92000006) == FaultKind::Read);
  CHECK(kind_of_fault(0x82000006) == FaultKind::Execution);
  CHECK(kind_of_fault(0x8a000000) == FaultKind::Execution);  // a branch to an odd address
  CHECK(kind_of_fault(0x9a000000) == FaultKind::Access);     // a stack pointer that is not aligned
  CHECK(kind_of_fault(kDataAbort | kTranslation | 1u << 6 | 1u << 8) == FaultKind::Access);  // DC IVAC and its like
  CHECK(kind_of_fault(std::uint64_t{1} << 32 | 0x92000046) == FaultKind::Write);  // bits that later processors set
}

TEST_CASE("the syndrome is found behind other records") {
  Records records;
  records.add(kVectorMagic, 528).add(kFaultMagic, 16, 0x92000046);
  CHECK(kind_of_fault(records.data(), Records::kRoom, at(8), at(0x400000)) == FaultKind::Write);
}

TEST_CASE("without a syndrome the addresses tell of an execution alone") {
  Records records;
  records.add(kVectorMagic, 528);
  CHECK(kind_of_fault(records.data(), Records::kRoom, at(8), at(0x400000)) == FaultKind::Access);
  CHECK(kind_of_fault(records.data(), Records::kRoom, at(0x400000), at(0x400000)) == FaultKind::Execution);
}

TEST_CASE("damaged records end the search") {
  for (const std::uint32_t bytes : {0u, 4u, 4096u, ~0u}) {
    Records records;
    RecordHead head{kVectorMagic, bytes};
    std::array<unsigned char, 64> few{};
    std::memcpy(few.data(), &head, sizeof(head));
    CHECK(find_record(few.data(), few.size(), kFaultMagic, 8) == nullptr);
  }
  Records records;
  records.add(kVectorMagic, 528).add(kFaultMagic, 16, 1);
  CHECK(find_record(records.data(), 528, kFaultMagic, 8) == nullptr);      // cut off before it
  CHECK(find_record(records.data(), 528 + 8, kFaultMagic, 8) == nullptr);  // and in its middle
  CHECK(find_record(records.data(), 528 + 16, kFaultMagic, 8) != nullptr);
  CHECK(find_record(records.data(), 528 + 16, kFaultMagic, 16) == nullptr);  // shorter than what is looked for
}

TEST_CASE("a signed return address is the address") {
  constexpr std::uintptr_t kAddress = 0xffff'8123'4568;
  CHECK(without_code(kAddress) == kAddress);
  CHECK(without_code(0x003a'ffff'8123'4568) == kAddress);  // a code in bits 54 to 48
  CHECK(without_code(0x7f3a'ffff'8123'4568) == kAddress);  // and in the upper byte, where data may have no tags
}

TEST_CASE("calls are told from other instructions") {
  for (const std::uint32_t call : {0x94000000u, 0x97ffffffu,     // bl, forwards and backwards
                                   0xd63f0000u, 0xd63f03c0u,     // blr x0, x30
                                   0xd63f081fu, 0xd63f0fdfu,     // blraaz x0, blrabz x30
                                   0xd73f0801u, 0xd73f0fffu}) {  // blraa x0, x1; blrab x31, sp
    CHECK(is_call(call));
  }
  for (const std::uint32_t other : {0x14000000u,     // b
                                    0xd61f0000u,     // br x0
                                    0xd65f03c0u,     // ret
                                    0xd65f0bffu,     // retaa
                                    0xd503201fu,     // nop
                                    0xd4000001u,     // svc
                                    0x54000000u}) {  // b.eq
    CHECK(!is_call(other));
  }
}
