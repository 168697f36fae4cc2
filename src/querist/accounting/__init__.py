"""What a run's journal says of it: spans, the summary, the report, the trace, live progress.

Everything here is a fold over facts: it reads no clock and decides nothing.
"""
