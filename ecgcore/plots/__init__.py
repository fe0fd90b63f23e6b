"""Every figure of the book: each function takes data and returns a matplotlib Figure.

No function changes matplotlib's global settings. A figure is displayed in a notebook when it is the
last value of a cell. Colours of series are those of Okabe and Ito, and series also differ in marker
or line style. In figures of explanations, red points towards disease and blue towards normal.
"""

from ecgcore.plots.ecg import ecg_12_lead, resampling_picture
from ecgcore.plots.scores import answer_bars, class_counts, forest, learning_curves, response
