-- SPDX-License-Identifier: MIT
-- Copyright (c) the Berth authors
--
-- The sample host's default queries, on a table of the lines of a text: data(line, words, characters, text).
SELECT count(*) AS lines, sum(words) AS words, round(avg(characters), 1) AS average_characters FROM data;

SELECT line, characters, text FROM data ORDER BY characters DESC, line LIMIT 3;

SELECT line, text FROM data WHERE text LIKE '%warrant%' ORDER BY line LIMIT 5;

-- Lines that occur more than once.
SELECT count(*) AS times, text FROM data WHERE words > 0 GROUP BY text HAVING times > 1 ORDER BY times DESC, text LIMIT 5;

-- How the lines spread over lengths, in steps of ten.
WITH lengths AS (SELECT characters / 10 * 10 AS from_length FROM data)
SELECT from_length, count(*) AS lines FROM lengths GROUP BY from_length ORDER BY from_length;
