-- Presence is written all the time: room on the page keeps those updates in place.
ALTER TABLE gateway SET (fillfactor = 70);
