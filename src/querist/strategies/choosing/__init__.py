"""Deciding between strategies while labels are bought; no strategy is defined in this folder.

- ``forecast``: where a learning curve goes, with how much doubt;
- ``auto``: :class:`Auto`, forecasts and successive halving over branches;
- ``albl``: :class:`Albl`, a bandit over strategies;
- ``pools``: drives either over a pool, by the caller's own fitting and evaluating.

The two deciders are pure: they hold no model and no data, are asked and told, and can be written as
JSON and read back at any time.
"""
