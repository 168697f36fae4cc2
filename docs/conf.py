# Sphinx reads this file; `make docs` builds with warnings as errors and needs no network.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "Querist"
author = "The Querist authors"
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "reference"]
exclude_patterns = ["extensions"]
html_theme = "furo"
html_title = "Querist"

# Headings can be linked to as page.md#heading, as on a repository's web page.
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]

# The reference is made of docstrings, in Google's style.
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

# Types of Python, NumPy and what is private are named and not linked: nothing is fetched to build.
nitpick_ignore_regex = [(r"py:.*", r".*")]
