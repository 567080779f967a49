-- The delivery report finds the parts of a split batch by what their ids have in common.
CREATE INDEX batch_stem ON batch (split_part(id, '.', 1));
