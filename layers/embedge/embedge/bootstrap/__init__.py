"""Which adapters does each program run on? Only these files choose, and `background.py`.

Nothing is imported here, so that no program loads what only another one needs.
"""
