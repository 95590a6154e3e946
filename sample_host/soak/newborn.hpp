// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A thread that does one thing, tells, and stays until it is to end: what it has done to a plugin lasts so long.
#pragma once

#include <exception>
#include <future>
#include <thread>
#include <utility>

namespace sample_host {

class Newborn {
 public:
  template <typename Function>
  explicit Newborn(Function act)
      : thread_([this, act = std::move(act)]() mutable {
          try {
            act();
            done_.set_value();
          } catch (...) {
            done_.set_exception(std::current_exception());
          }
          end_.get_future().wait();
        }) {}
  ~Newborn() { end(); }
  Newborn(const Newborn&) = delete;
  Newborn& operator=(const Newborn&) = delete;

  // Throws what the act threw. Once.
  void wait_until_done() { done_.get_future().get(); }

  // The thread is gone when it returns.
  void end() {
    if (!thread_.joinable()) return;
    end_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> done_;
  std::promise<void> end_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace sample_host
