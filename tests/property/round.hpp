// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One round of the property test: some instances, some threads, some thousand operations, all from one seed or from a
// fuzzer's input.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actor.hpp"
#include "berth/instance.h"
#include "choices.hpp"
#include "model.hpp"

namespace property {

class Round {
 public:
  explicit Round(Choices& choices);
  ~Round();
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  // Throws Difference.
  void run();

  std::size_t operations() const { return operation_; }
  // By kind, how many misuses were made and reported as they should be.
  using Misuses = std::array<std::size_t, BERTH_MISUSE_CORRUPTION + 1>;
  const Misuses& misuses() const { return misuses_; }
  // The last operations, oldest first.
  std::vector<std::string> history() const;

 private:
  struct Subject;

  // A block of so many bytes is a large one, whatever the design of the rest.
  static constexpr std::size_t kLarge = std::size_t{2} << 20;

  std::uint64_t below(std::uint64_t bound) { return choices_.below(bound); }
  bool one_in(std::uint64_t n) { return choices_.one_in(n); }
  std::size_t random_size();
  std::size_t random_alignment();
  Subject& random_subject() { return *subjects_[below(subjects_.size())]; }
  void note(std::string text);

  std::unique_ptr<Subject> make_subject();
  void step();

  // The operations. Each compares what it sees with the model.
  void allocate_or_free(Subject& subject);
  void allocate(Subject& subject);
  void allocate_too_much(Subject& subject);
  void reallocate(Subject& subject);
  void grow(Subject& subject);
  void free_one(Subject& subject);
  void free_many(Subject& subject);
  void burst(Subject& subject);
  void look(Subject& subject);
  void check_books(Subject& subject);
  void check_census(Subject& subject);
  void purge(Subject& subject);
  void move_quota(Subject& subject);
  void misuse(Subject& subject);
  void foreign_free(Subject& subject);
  void unknown_free(Subject& subject);
  void interior_free(Subject& subject);
  void double_free(Subject& subject);
  void wrong_size(Subject& subject);
  void corrupt(Subject& subject);
  void detach_or_replace_thread();
  void replace_subject();

  // Parts of them.
  void place(Subject& subject, Block block, bool zeroed);
  void free_at(Subject& subject, std::size_t index);
  bool resize(Subject& subject, std::size_t index, std::size_t alignment, std::size_t size);
  void expect_refusal(Subject& subject, std::size_t alignment, std::size_t size, int error);
  std::optional<std::size_t> watched_block(Subject& subject);
  void misuse_address(Subject& subject, const void* address);
  void expect_misuse(Subject& subject, berth_misuse_kind kind, const void* address, std::uint64_t owner);
  void on_actor(std::size_t actor, const std::function<void()>& work);
  void on_random_thread(const std::function<void(unsigned thread)>& work);
  void check_resident(Subject& subject);
  void check_emptied(Subject& subject);
  void use_everywhere(Subject& subject, std::size_t size);
  void remove_subject(Subject& subject);
  void finish(Subject& subject);

  Choices& choices_;
  ClassTable classes_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<unsigned> actor_numbers_;
  static constexpr std::size_t kDriver = SIZE_MAX;
  std::size_t current_ = kDriver;  // the actor on whose thread the operations come from for now
  unsigned next_thread_ = 1;       // 0 is the thread that drives
  bool threads_stay_ = true;
  bool mostly_large_ = false;  // a round about runs of pages, at tight quotas
  std::size_t operation_ = 0;
  std::uint64_t growth_ = 50;  // of 100 operations that change the number of blocks, those that allocate
  std::array<std::string, 24> history_;
  Misuses misuses_{};
};

}  // namespace property
