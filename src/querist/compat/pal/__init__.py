"""Runs a PAL package (UserGene, UserModel, UserOracle, prediction_check) unchanged on our loop.

PAL is Parallel Active Learning (arXiv:2412.00401). ``docs/coming-from-pal.md`` says what each of
its settings and methods becomes here, and what differs.
"""

from querist.compat.pal.assembling import campaign, ended_as_asked, load_settings
from querist.compat.pal.settings import PalSettings

__all__ = ["PalSettings", "campaign", "ended_as_asked", "load_settings"]
