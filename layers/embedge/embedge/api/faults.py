"""What is said of a fault of our own? Where it is, and nothing of the values in it: they may be somebody's text."""

import logging


def log_fault(error: Exception) -> None:
    """Say where our own fault is, and nothing of the values in it: they may be somebody's text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logging.getLogger("embedge").error("internal error: %s at %s", type(error).__name__, where)
