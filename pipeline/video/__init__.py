"""`launcher.py video`: a video or a folder of pictures with frames in between."""
