"""Draws the characters that come with ayatsuri, as vector art.

Everything is drawn in the 512 x 512 picture's own pixels. "left" and "right" are the subject's:
the subject's left is the picture's right. Light falls from the picture's upper left. What is
painted later lies on top, so the order of the calls is the order of the layers.
"""
