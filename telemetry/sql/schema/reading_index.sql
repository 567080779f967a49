-- By account and time no index stands any more: with it, storing a reading cost the database half
-- as much again, and a third more room. Series are found by device; the newest of all by their place,
-- as readings come roughly in the order of time: an index of ranges of pages costs next to nothing.
DROP INDEX reading_account_time;
CREATE INDEX reading_time ON reading USING brin (time) WITH (pages_per_range = 32);
