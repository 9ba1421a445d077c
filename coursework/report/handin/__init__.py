"""The hand-in: its two programs, a harness written from the course's contract, and what checks one with the other."""
