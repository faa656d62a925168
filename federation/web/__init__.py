"""The HTTP face of a node: pages, API, feed. Handlers find what they need under typed keys."""
