"""Words → lines in reading order.

Two steps, both of plain geometry:

1. **Lines.** Words that run in about the same direction share a *frame* in which that direction is
   horizontal. There each word looks for its nearest neighbour to the right and to the left: near,
   of like height, on its own baseline. Two words that choose each other are joined, so that a line
   is a chain and never forks.
2. **Order.** Lines are ordered by recursive cuts along white space (XY cut, Nagy and Seth 1984,
   "Hierarchical representation of optically scanned documents"), columns before rows, and rows that
   share their columns kept together, so that a title or a footer across a page does not tear
   the columns beside it apart.

The order is the walk over a tree of cuts: a permutation by construction. No two lines are ever
compared with each other by a rule that might run in circles, and the outcome does not depend on the
order in which the words came in.
"""

from onlooker.text.lines.frames import corners_of, direction_of, turned
from onlooker.text.lines.group import group_lines
from onlooker.text.lines.layer import with_text_layer
from onlooker.text.lines.order import reading_order
from onlooker.text.lines.strips import Strip, strips_of

__all__ = [
    "Strip",
    "corners_of",
    "direction_of",
    "group_lines",
    "reading_order",
    "strips_of",
    "turned",
    "with_text_layer",
]
