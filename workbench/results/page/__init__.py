"""One self-contained HTML page of a comparison: answers, tables, figures, and the protocol.

`whole.html_page` puts it together. Text and static figures are there without scripts; with them,
the table sorts and filters, and charts stand in place of the static figures.
"""
