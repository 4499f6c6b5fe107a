"""A THA4 student on a CPU: in boxes that stay in cache, and only where something is seen."""
