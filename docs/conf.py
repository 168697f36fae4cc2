# Sphinx reads this file; `make docs` builds with warnings as errors and needs no network.
project = "Querist"
author = "The Querist authors"
copyright = author

extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Querist"

# Headings can be linked to as page.md#heading, as on a repository's web page.
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
