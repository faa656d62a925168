"""How other nodes are read: guarded HTTP, and the pages of their feeds."""
