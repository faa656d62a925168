"""Records: their kinds, drafts, canonical text, proofs and views. Pure: no clock, no I/O but the vocabulary."""
