"""Looks for the parts of a face in a picture of the input convention."""
