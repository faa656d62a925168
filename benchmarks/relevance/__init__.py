"""How good the search is: judged topics, measures, and what each part of the engine is worth."""
