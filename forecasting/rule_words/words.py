"""What can be said of one quality rule."""

from collections.abc import Mapping
from dataclasses import dataclass

from forecasting.wording import Language

Text = Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Words:
    """`message` and `brief` are templates over a finding's evidence: a whole sentence, and a
    fragment for a list. `fix`: what the salesperson can do, in one sentence. `why`: for the
    documentation. `needs`: what an account has to have before the rule can be held against it;
    None = nothing.
    """

    title: Text
    why: str
    fix: Text
    message: Text
    brief: Text
    needs: Text | None = None
