"""Words that messages of all parts share: what was likely meant, an error in one line, no passwords."""

import re
from collections.abc import Iterable
from typing import Any

from dist_bp.errors import DistBpError

OTHER_NAMES = {
    "acc": "accuracy", "auc": "roc_auc", "auroc": "roc_auc", "rocauc": "roc_auc", "auprc": "average_precision",
    "pr_auc": "average_precision", "prauc": "average_precision", "ap": "average_precision", "logloss": "log_loss",
    "nll": "log_loss", "mcc": "matthews", "matthews_corrcoef": "matthews", "sensitivity": "recall", "tpr": "recall",
    "ppv": "precision", "fscore": "f1", "f1_score": "f1", "f1score": "f1", "balanced_acc": "balanced_accuracy",
    "mean_squared_error": "mse", "mean_absolute_error": "mae", "root_mean_squared_error": "rmse", "r2_score": "r2",
}  # fmt: skip
"""What other libraries call the metrics."""
SPLITS = ("train_", "val_", "test_")
MASK = "***"
"""What stands for a password."""
LETTERS = 30
"""Of a name that is quoted."""
_USER = r"""((?:postgres|mysql|mariadb|mssql|oracle)[\w+]*://[^/\s:]*|://[^/\s:\[]*(?=:(?!\d+(?:[/?#\s]|$))))"""
"""A URI up to its user. A number after that is a port, but for SQLAlchemy also the beginning of a password."""
_QUERY = r"([?&][\w.-]*(?:password|passwd|pwd|secret|token|odbc_connect)[\w.-]*=)"


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that was likely meant, if there is one: alike, or of these initials (lr, learning_rate)."""
    from difflib import get_close_matches

    lower = word.lower()
    # A micro average is the accuracy of all decisions: who writes f1 or auc means something else.
    by_lower_case = {name.lower(): name for name in allowed if "mi" in lower or not name.endswith("_micro")}
    split = next((split for split in SPLITS if lower.startswith(split)), "")
    known = split + OTHER_NAMES.get(lower.removeprefix(split), "")
    if known in by_lower_case:
        return by_lower_case[known]
    guess = get_close_matches(lower, list(by_lower_case), n=1)
    guess = guess or [name for name in by_lower_case if "_" in name and _initials(name) == lower]
    return by_lower_case[guess[0]] if guess else None


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Asks for the allowed word that was likely meant, to append to a message; empty if there is none."""
    guess = nearest(word, allowed)
    return f": did you mean {guess!r}?" if guess else ""


def unknown_name(name: str, allowed: Iterable[object]) -> str:
    """The name and, in brackets, the allowed one that was likely meant or else what there is."""
    names = [str(other) for other in allowed]
    if guess := nearest(name, names):
        return f"{name!r} (did you mean {guess!r}?)"
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    return f"{name!r} (there is {shown or 'none'})"


def plural(number: int, noun: str) -> str:
    """The number, with commas, and the noun: 1 step, 1,200 steps, 3 classes."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def in_seconds(number: float) -> str:
    """A time, in whole seconds where it is one of them or more: 60 s, 0.1 s."""
    return f"{number:.0f} s" if number >= 1 else f"{number:.2g} s"


def quoted(text: str) -> str:
    """What data calls something, between quotes, the first 30 letters of it."""
    return repr(text if len(text) <= LETTERS else f"{text[:LETTERS]}...")


def at_most(number: int) -> str:
    """A whole number, from 1 on, as the upper end of what fits."""
    return "1" if number == 1 else f"{number} or less"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def one_line(error: BaseException) -> str:
    """An error in one line: after its type, unless it is one of ours, which are written to be read."""
    line, kind = first_line(error), type(error).__name__
    return line if isinstance(error, DistBpError) or line == kind else f"{kind}: {line}"


def last_line(text: str) -> str:
    """The last line that is not blank: of a log or traceback, that with the reason. Empty where there is none."""
    return text.strip().rpartition("\n")[2].strip()


def without_password(text: str) -> str:
    """Mask the password of any URI within the text; one that the text begins with, or a `key=` before it, may have
    blanks in it."""
    inner = r"." if re.match(r"\S*://.*\Z", text) else r"\S"
    text = re.sub(rf"{_USER}:{inner}+@", rf"\1:{MASK}@", text)
    return re.sub(rf"{_QUERY}(?:(?!&){inner})+", rf"\1{MASK}", text, flags=re.IGNORECASE)


def without_passwords(value: Any) -> Any:
    """The same of every text in nested dicts and lists."""
    if isinstance(value, dict):
        return {key: without_passwords(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_passwords(inner) for inner in value]
    return without_password(value) if isinstance(value, str) else value


def is_masked(uri: str) -> bool:
    """Whether the password of the URI was taken out of it."""
    return re.search(rf"[:=]{re.escape(MASK)}(?:[@&]|$)", uri) is not None
