// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The life of a round: what is made, in what mix operations come, and what must hold at the end.
#include "round.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "subject.hpp"

namespace property {

namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;

void on_misuse(void* context, const berth_misuse* misuse) {
  auto& seen = *static_cast<std::vector<SeenMisuse>*>(context);
  seen.push_back({static_cast<berth_misuse_kind>(misuse->kind), misuse->address, berth_instance_id(misuse->owner),
                  misuse->message != nullptr ? misuse->message : ""});
}

}  // namespace

Round::Round(Choices& choices) : choices_(choices) {}

Round::~Round() {
  for (const auto& subject : subjects_) berth_instance_destroy(subject->instance, nullptr);
}

void Round::note(std::string text) { history_[operation_ % history_.size()] = std::move(text); }

std::vector<std::string> Round::history() const {
  std::vector<std::string> lines;
  const std::size_t count = std::min(operation_ + 1, history_.size());
  for (std::size_t i = count; i > 0; --i) {
    const std::size_t at = operation_ + 1 - i;
    lines.push_back(std::to_string(at) + ": " + history_[at % history_.size()]);
  }
  return lines;
}

std::unique_ptr<Round::Subject> Round::make_subject() {
  auto subject = std::make_unique<Subject>();
  subject->name = "subject " + std::to_string(choices_.noise() % 1000);
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = subject->name.c_str();
  options.span_bytes = std::size_t{512} * kMiB << below(3);
  options.hardening = one_in(3) ? BERTH_HARDENING_CHECKED : BERTH_HARDENING_FAST;
  std::uint32_t guard_flags = 0;
  if (one_in(4)) {
    options.hardening = BERTH_HARDENING_GUARDED;
    guard_flags = BERTH_INSTANCE_GUARD_RATE(one_in(2) ? 1 : 8);
  }
  options.huge_pages = static_cast<std::uint32_t>(below(3));
  options.flags = (one_in(4) ? BERTH_INSTANCE_NORESERVE : 0) | guard_flags;
  if (mostly_large_ || one_in(3)) subject->quota = options.quota_bytes = (2 + below(mostly_large_ ? 4 : 60)) * kMiB;
  options.on_misuse = on_misuse;
  options.on_misuse_context = &subject->misuses;
  const berth_status status = berth_instance_create(&options, &subject->instance);
  if (status != BERTH_OK) fail("no instance: ", berth_status_string(status));
  // A thread that a quota refuses a cache shares one with others; guarded blocks are in no cache.
  if (subject->quota != 0 || options.hardening == BERTH_HARDENING_GUARDED) subject->model.ownership_moved();
  subject->handle = berth_instance_allocator(subject->instance);
  subject->id = berth_instance_id(subject->instance);
  subject->checked = options.hardening != BERTH_HARDENING_FAST;
  subject->guarded = options.hardening == BERTH_HARDENING_GUARDED;
  return subject;
}

void Round::on_actor(std::size_t actor, const std::function<void()>& work) {
  if (actor == current_) {
    work();
  } else {
    actors_[actor]->perform(work);
  }
}

// Mostly the thread whose turn it is: handing over costs more than most operations.
void Round::on_random_thread(const std::function<void(unsigned thread)>& work) {
  const std::size_t actor = actors_.empty() || !one_in(6) ? current_ : below(actors_.size());
  if (actor == kDriver) return work(0);
  on_actor(actor, [&] { work(actor_numbers_[actor]); });
}

void Round::run() {
  berth_process_statistics before{};
  before.struct_size = sizeof(before);
  berth_process_stats(&before);

  mostly_large_ = one_in(5);
  for (std::uint64_t i = 1 + below(4); i > 0; --i) subjects_.push_back(make_subject());
  // Now and then more than the eight buckets in which a thread keeps what it owes to others.
  for (std::uint64_t i = one_in(4) ? 8 + below(6) : below(4); i > 0; --i) {
    actors_.push_back(std::make_unique<Actor>());
    actor_numbers_.push_back(next_thread_++);
  }
  threads_stay_ = one_in(2);
  const auto take_turn = [&] {
    for (std::uint64_t left = 1 + below(60); left > 0 && !choices_.over(operation_); --left, ++operation_) {
      if (operation_ % 1000 == 0) growth_ = 30 + below(45);
      step();
    }
    current_ = kDriver;
  };
  while (!choices_.over(operation_)) {
    const std::size_t turn = below(actors_.size() + 1);
    if (turn == actors_.size()) {
      take_turn();
    } else {
      actors_[turn]->perform([&] {
        current_ = turn;
        take_turn();
      });
    }
  }
  note("the end");
  while (!subjects_.empty()) finish(*subjects_.back());
  actors_.clear();

  berth_process_statistics after{};
  after.struct_size = sizeof(after);
  berth_process_stats(&after);
  if (after.instances != before.instances || after.reserved_bytes != before.reserved_bytes ||
      after.reservations != before.reservations || after.committed_bytes != before.committed_bytes) {
    fail("the ledger is not what it was: ", after.reservations, " reservations, ", after.reserved_bytes, " bytes");
  }
}

void Round::step() {
  Subject& subject = random_subject();
  if (mostly_large_ && one_in(3)) return reallocate(subject);
  switch (choices_.pick({840, 80, 30, 20, 8, 5, 3, 4, 6, 2, 2, 1})) {
    case 0: return allocate_or_free(subject);
    case 1: return one_in(20) ? grow(subject) : reallocate(subject);
    case 2: return look(subject);
    case 3: return check_books(subject);
    case 4: return burst(subject);
    case 5: return check_census(subject);
    case 6: return purge(subject);
    case 7: return move_quota(subject);
    case 8: return misuse(subject);
    case 9: return allocate_too_much(subject);
    case 10: return detach_or_replace_thread();
    default: return replace_subject();
  }
}

void Round::allocate_or_free(Subject& subject) {
  const bool grow = subject.model.count() == 0 || (below(100) < growth_ && subject.model.live_bytes() < 48 * kMiB);
  if (grow) return allocate(subject);
  return one_in(40) ? free_many(subject) : free_one(subject);
}

void Round::detach_or_replace_thread() {
  if (threads_stay_) return note("threads stay");
  for (const auto& subject : subjects_) subject->model.ownership_moved();
  if (one_in(2) || actors_.empty()) {
    note("detach");
    return on_random_thread([](unsigned) { berth_thread_detach(); });
  }
  const std::size_t choice = below(actors_.size());
  if (choice == current_) return note("a thread does not end in its own turn");
  note("a thread ends, another begins");
  actors_[choice] = nullptr;
  actors_[choice] = std::make_unique<Actor>();
  actor_numbers_[choice] = next_thread_++;
}

void Round::replace_subject() {
  note("destroy one instance, make another");
  finish(random_subject());
  subjects_.push_back(make_subject());
}

void Round::remove_subject(Subject& subject) {
  std::erase_if(subjects_, [&](const auto& each) { return each.get() == &subject; });
}

// With no block left, no cache in use and a purge, an instance is its books and what it keeps for the next start: a
// block that got lost on its way between lists would hold its pages.
void Round::check_emptied(Subject& subject) {
  for (std::size_t i = 0; i < actors_.size(); ++i) on_actor(i, berth_thread_detach);
  berth_thread_detach();
  for (const auto& each : subjects_) each->model.ownership_moved();
  purge(subject);
  berth_instance_statistics now{};
  now.struct_size = sizeof(now);
  berth_instance_stats(subject.instance, &now);
  const std::size_t books = 512 * kKiB + now.peak_committed_bytes / 64;
  if (now.committed_bytes > books) {
    fail("an empty instance keeps ", now.committed_bytes, " bytes committed, should be ", books, " at the most");
  }
}

void Round::finish(Subject& subject) {
  for (std::size_t i = 0; i < subject.model.count(); ++i) {
    check_pattern(subject.model.at(i), subject.model.at(i).usable, "at the end");
  }
  check_books(subject);
  check_census(subject);
  check_resident(subject);
  const std::size_t keep = one_in(2) ? 0 : below(subject.model.count() + 1);
  while (subject.model.count() > keep) free_at(subject, below(subject.model.count()));
  check_books(subject);
  if (keep == 0 && current_ == kDriver) check_emptied(subject);
  berth_instance_report report{};
  report.struct_size = sizeof(report);
  berth_status status = BERTH_OK;
  on_random_thread([&](unsigned) { status = berth_instance_destroy(subject.instance, &report); });
  if (status != BERTH_OK) fail("destroy: ", berth_status_string(status));
  subject.model.check_report(report);
  if (!subject.misuses.empty()) fail("a misuse that was none: ", subject.misuses.front().message);
  remove_subject(subject);
}

}  // namespace property
