"""The core object of the mission's interface: `get_core()`, `setImage()`, `inference()`.

The same stages' work, called instead of started: in this process (`in_process`), or as a session of
real processes behind rings (`session`).
"""
