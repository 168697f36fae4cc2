"""Expected gradient length of the last layer, in closed form."""

from __future__ import annotations

from querist.strategies.arrays import Array, dots, filled, namespace
from querist.strategies.contract import pointwise


@pointwise(
    paper="Settles, Craven & Ray 2008 (NIPS), section 4.1; Settles & Craven 2008 (EMNLP), eq. 6",
    cost="O(n (C + d)) time, O(b) memory",
    use="Answers that change a softmax layer most; rows of large norm are favoured.",
    aliases=("egl",),
)
def expected_gradient_length(probabilities: Array, embeddings: Array, bias: bool = False) -> Array:
    """Mean over the labels, by their probability, of the norm of the loss's gradient.

    The gradient of the cross-entropy by the weights of a softmax layer is the outer product of
    ``p - e_y`` and the layer's input h, so the mean is
    ``|h| sum_y p_y sqrt(|p|^2 - 2 p_y + 1)``. With ``bias`` the layer has one, and h ends in a 1.
    """
    xp = namespace(probabilities)
    squares = dots(probabilities, probabilities)
    zero = filled((), 0.0, "float64", probabilities)
    expected = filled(len(squares), 0.0, "float64", probabilities)
    for c in range(probabilities.shape[1]):
        column = probabilities[:, c]
        residual = xp.maximum(squares - 2.0 * column + 1.0, zero)
        expected = expected + column * xp.sqrt(residual)
    return expected * xp.sqrt(dots(embeddings, embeddings) + float(bias))
