-- SPDX-License-Identifier: MIT
-- Copyright (c) the Berth authors
--
-- The sample host's default script: which words of a text are frequent, and which words follow each other most often.
-- The host sets `text` and `name`; what is printed is the result.
local words, pairs_of_words = {}, {}
local previous
local total = 0

for word in text:gmatch("%a[%a'-]*") do
  word = word:lower()
  total = total + 1
  words[word] = (words[word] or 0) + 1
  if previous then
    local pair = previous .. " " .. word
    pairs_of_words[pair] = (pairs_of_words[pair] or 0) + 1
  end
  previous = word
end

local function most_frequent(counts, shown)
  local keys = {}
  for key in pairs(counts) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  for i = 1, math.min(shown, #keys) do
    print(string.format("%8d  %s", counts[keys[i]], keys[i]))
  end
  return #keys
end

print(string.format("%s: %d words", name, total))
local different = most_frequent(words, 5)
most_frequent(pairs_of_words, 5)
print(string.format("%d different words", different))
