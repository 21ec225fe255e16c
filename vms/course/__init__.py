"""Lessons: copies of a lab for students, assignments and their grades, the instructor's wall.

A grade is computed, never entered: a submission is a moment of a run, and whoever plays that run
again (`verdict.py`) comes to the same state and the same verdict.
"""
