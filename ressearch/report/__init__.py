"""One HTML file about a study: offline, without any request, from the store alone.

Figures are SVG written here. What a reader may choose to see of each network is packed into the page, see `panel`. The
page reads well without JavaScript, on paper and on a phone.
"""

from ressearch.report.page import report

__all__ = ["report"]
