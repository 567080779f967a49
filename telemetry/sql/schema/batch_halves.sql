-- The report finds the halves of split batches by their stem.
CREATE INDEX batch_stem ON batch (split_part(id, '.', 1));
