"""From the history of a run to its verdict. Pure: reads nothing but the history, so any run can be judged again."""
