"""What is listed beside the strategies: choosers between them, and decisions on a stream.

None of these is a function from a pool to picks, so none is in the registry or can be wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from querist.strategies.choosing.albl import Albl
from querist.strategies.choosing.auto import Auto
from querist.strategies.stream import Stream
from querist.strategies.stream_cognitive import CognitiveStream
from querist.strategies.stream_density import DensityStream
from querist.strategies.stream_quantile import QuantileStream


@dataclass(frozen=True, slots=True)
class Beside:
    """As a :class:`~querist.strategies.contract.Strategy` is told of; ``function`` is what to use.

    Attributes:
        name: Its name; that of ``use:`` in a campaign's file where it can stand there.
        family: "choosing" or "stream".
        function: The class.
        paper: Where it is from.
        cost: Time and memory.
        use: When to use it, and where.
        needs: Data that it takes by itself.
    """

    name: str
    family: str
    function: Any
    paper: str
    cost: str
    use: str
    needs: Sequence[str] = ()
    optional: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False
    pointwise: bool = False
    aliases: Sequence[str] = ()


BESIDE = (
    Beside(
        "auto",
        "choosing",
        Auto,
        "after PSHEA of ALaaS (Huang et al. 2022, arXiv 2207.09109v2); successive halving: "
        "Jamieson & Talwalkar 2016 (AISTATS), figure 2; forecasts and sharing are our own",
        "a fit and a hold-out evaluation a round for each strategy in the race",
        "Nobody knows which strategy suits, and there is a hold-out: strategies race while labels "
        "are bought. In campaigns, use: auto; else querist.strategies.choosing.",
    ),
    Beside(
        "albl",
        "choosing",
        Albl,
        "Hsu & Lin 2015 (AAAI), algorithm 1; EXP4.P: Beygelzimer et al. 2011",
        "O(k) a draw for k strategies, each of which picks once a round; O(queries) memory",
        "As auto, for classes, without a hold-out or further fits; it hardly tells strategies "
        "apart in a few hundred labels. In campaigns, use: albl.",
        random=True,
    ),
    Beside(
        "stream",
        "stream",
        Stream,
        "Žliobaitė, Bifet, Pfahringer & Holmes 2014 (TNNLS), algorithms 1 to 4",
        "O(1) an item, O(1) memory",
        "Items come one by one, and each is asked at once or never, within a budget: "
        "querist.strategies.stream.Stream, on confidences.",
        options={"kind": "variable", "step": 0.01, "window": 100, "spread": 1.0, "explore": 0.2},
        random=True,
    ),
    Beside(
        "density-stream",
        "stream",
        DensityStream,
        "Ienco, Žliobaitė & Pfahringer 2014 (BigMine), DBALStream",
        "O(w d) an item, O(w d) memory for a window of w items",
        "As stream, and an item far from all others recently seen is never asked: "
        "querist.strategies.stream_density.DensityStream, on confidences and embeddings.",
        needs=("embeddings",),
        options={"step": 0.01, "window": 100, "spread": 1.0},
        random=True,
    ),
    Beside(
        "cognitive-stream",
        "stream",
        CognitiveStream,
        "Liu et al. 2023 (TNNLS 34), the cognitive dual-query strategy",
        "O(w d) an item, O(w d) memory for w remembered items",
        "As density-stream, with few items remembered, those longest that others came near to: "
        "querist.strategies.stream_cognitive.CognitiveStream, around a Stream.",
        needs=("embeddings",),
        options={"least": 1, "window": 10},
        random=True,
    ),
    Beside(
        "quantile-stream",
        "stream",
        QuantileStream,
        "Kottke, Krempl & Spiliopoulou 2015 (IDA), balanced incremental quantile filter",
        "O(w log w) an item, O(w) memory for a window of w scores",
        "As stream, on any score, such as the gain of mcpal: the share of items with the highest "
        "scores of late: querist.strategies.stream_quantile.QuantileStream.",
        options={"window": 100, "tolerance": 50.0},
    ),
)
