# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Shared by .ci/run and .ci/full, and sourced by them from the root of the tree: how checks are counted, and what
# both of them check. Each test counts, and so does each check around them.

passed=0
failed=0

# check <title> <command...>: counts as one.
check() {
  local start=$SECONDS
  if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  echo "$1: $((SECONDS - start)) s"
}

# suite <command...>: counts the tests that its last line tells of; as one failure if there is no such line.
suite() {
  local start=$SECONDS line
  line=$("$@" </dev/null | tail -n 1)
  if [[ $line =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
  echo "${line:-$*: not built}, in $((SECONDS - start)) s"
}

# With address randomisation as wide as some kernels have it, gcc's ThreadSanitizer finds no room for its shadow.
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed=(setarch "$(uname -m)" -R); fi

sanitized() {
  "${fixed[@]}" bash -c '. scripts/lib.sh; test_preset "$@"' bash "$@" -LE 'slow|no_sanitizers'
}

sources() {
  find arenas allocator host_api sample_host sample_plugins examples tests tools -name '*.[ch]' -o -name '*.[ch]pp'
}

format() { sources | xargs clang-format --dry-run -Werror; }

# lint <folder of compile_commands.json> [clang-tidy argument...]
lint() {
  local commands=$1
  shift
  find arenas allocator host_api -name '*.cpp' ! -name '*_windows.cpp' |
    xargs -P "$jobs" -n 2 clang-tidy -p "$commands" --quiet "$@"
}

# The build compiles a file for programs, for modules and for the shared library. Here it is read once.
lint_once() {
  cmake --preset clang && mkdir -p build/lint &&
    jq 'unique_by(.file)' build/clang/compile_commands.json >build/lint/compile_commands.json &&
    lint build/lint '--checks=-clang-analyzer-*' && read_tools
}

# clang's warnings for what no sanitizer build has, after lint_once.
read_tools() {
  jq -r '.[] | select(.file | test("/tools/.*[.]cpp$")) | "cd \(.directory) && \(.command) -fsyntax-only"' \
    build/lint/compile_commands.json | xargs -P "$jobs" -d '\n' -n 1 bash -c
}

fuzzed() {
  local status=0
  wait "$fuzzing" || status=$?
  cat "$logs/ci_fuzzing.log"
  return $status
}

if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

# The last line, and the status.
finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
