"""The workbench of dead letters: one line for each reason and gateway, decided as a whole.

`groups.py` is the first file to read; single dead letters are listed in `../dead_letters.py`.
"""
