"""The log of a node: Merkle tree, checkpoints, keys, identity, and who may sign what. Pure."""
