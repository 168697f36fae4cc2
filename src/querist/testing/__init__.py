"""Contract suites, fakes and synthetic runs, shipped for those who write extensions."""
