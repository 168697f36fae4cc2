"""Trackers of experiments that receive the metrics and files of campaigns and rounds."""
