"""The benchmark of the rings: one module for each thing it measures."""
