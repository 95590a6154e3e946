#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# server_module.sh <server> <module> <other module>: requests to workers of three generations, while the module's file
# changes. Each step waits for the server's line, or for a reply.
. "$(dirname "$0")/lib.sh"
server=$1
module=$2
other=$3

# ask <request> <the reply>
ask() {
  local connection reply
  exec {connection}<>"/dev/tcp/127.0.0.1/$port" || fail "no connection"
  echo "$1" >&"$connection"
  read -r reply <&"$connection" || fail "no reply to $1"
  exec {connection}>&-
  [ "$reply" = "$2" ] || fail "the reply to '$1' is '$reply', not '$2'"
}

cp "$module" "$scratch/module.so"
coproc running { exec "$server" "$scratch/module.so" 2>&1; }
pid=$running_PID
exec {lines}<&"${running[0]}"
trap 'kill "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT
: >"$scratch/output"
await "listening on port ([0-9]+)"
port=${BASH_REMATCH[1]}
await "generation 1 works"
for request in {1..5}; do ask "one two $request" "turned: $request two one"; done
ask greedy failed

# Another file in its place; the old workers end, and say what they did.
cp "$other" "$scratch/module.new"
mv "$scratch/module.new" "$scratch/module.so"
kill -HUP "$pid"
await "generation 2 works"
answered=0
refused=0
for worker in 1 2; do
  await "worker of generation 1: ([0-9]+) requests, ([0-9]+) allocations refused, 0 blocks forgotten"
  answered=$((answered + BASH_REMATCH[1]))
  refused=$((refused + BASH_REMATCH[2]))
done
[ "$answered" -eq 6 ] || fail "generation 1 answered $answered requests, not 6"
[ "$refused" -ge 1 ] || fail "the quota has refused nothing"
ask "one two" "other: one two"

# What cannot be loaded changes nothing.
echo "no module" >"$scratch/module.so"
kill -HUP "$pid"
await "the old generation works on: .*module.so.*"
ask "one two" "other: one two"

# A worker that crashes is replaced.
exec {connection}<>"/dev/tcp/127.0.0.1/$port"
echo crash >&"$connection"
exec {connection}>&-
await "a worker was ended by signal [0-9]+"
ask "one two" "other: one two"

kill "$pid"
await "the master has given back [1-9][0-9]* MiB of addresses"
wait "$pid" || fail "status $?"
[ "$(grep -cE "^worker of generation 2: [0-9]+ requests, 0 allocations refused, 0 blocks" "$scratch/output")" -eq 2 ] ||
  fail "not two workers of generation 2 were ended"
