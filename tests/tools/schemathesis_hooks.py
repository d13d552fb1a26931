# pyright: basic, reportMissingImports=false
"""What may schemathesis not send as valid? Imported by schemathesis in its own venv, not by our tests."""

import schemathesis


@schemathesis.hook
def filter_body(_context: object, body: object) -> bool:
    """Leave out 3.0, which JSON Schema takes for an integer, and this API and OpenAI's clients do not."""
    return not _has_whole_float(body)


def _has_whole_float(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_whole_float, value.values()))
    if isinstance(value, list):
        return any(map(_has_whole_float, value))
    return isinstance(value, float) and value.is_integer()
