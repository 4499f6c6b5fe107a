"""Paints the parts of a face: each is taken apart once, and put together again for a pose."""
