"""The colours with a name: skin, wood and the dyes of the cloth. INK is what outlines them."""

SKIN, SKIN_SHADE, SKIN_INK = "#ffeadf", "#eda79f", "#96504f"
WOOD, WOOD_LIGHT, WOOD_INK = "#d99a5b", "#f6cf97", "#6b3a22"
GOLD, GOLD_DARK = "#f2c766", "#a9722b"

RED, RED_DARK, RED_INK = "#dd4460", "#a92a50", "#641735"
CREAM, CREAM_DARK, CREAM_INK = "#fff7ea", "#e6d0d0", "#8a6470"
NAVY, NAVY_DARK, NAVY_INK = "#343a6e", "#242750", "#171736"
PLUM, PLUM_DARK, PLUM_INK = "#8b2f58", "#652046", "#3d1231"
COAL, COAL_DARK, COAL_INK = "#3b4266", "#292e4c", "#14162b"
TEAL, TEAL_DARK, TEAL_INK = "#3fa79c", "#276f74", "#17404a"
PAPER, SAND_INK = "#fffaf2", "#6e5a5c"
