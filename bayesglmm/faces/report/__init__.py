"""The report of a fit: one HTML file that needs nothing else, and the folder of a run's results."""

from bayesglmm.faces.report.page import write_report
from bayesglmm.faces.report.results import Wanted, draw_figures, prepare, write_results

__all__ = ["Wanted", "draw_figures", "prepare", "write_report", "write_results"]
