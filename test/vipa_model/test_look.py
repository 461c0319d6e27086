"""Which tokens of a prompt show what is seen, and how little of the weights lies there."""

import math

import pytest

torch = pytest.importorskip("torch")

from vipa_model.network.look import Look, look_loss, shown  # noqa: E402

NOWHERE = [math.nan, math.nan]


def test_image_tokens_stand_where_the_prompt_has_them():
    """Two views of 2 x 2 tokens of 16 pixels; words before, between and behind them."""
    pictures = torch.tensor([[0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0]], dtype=torch.bool)
    sight = torch.tensor(
        [[[[3.0, 3.0], NOWHERE], [NOWHERE, [31.9, 0.0]], [[16.0, 15.9], [15.9, 16.0]], [NOWHERE, NOWHERE]]]
    )
    found = shown(sight, pictures, 32, 2)
    assert [row.nonzero().flatten().tolist() for row in found[0]] == [[1], [8], [2, 9], []]


def test_what_is_moved_out_of_a_view_is_shown_by_none():
    pictures = torch.ones(1, 4, dtype=torch.bool)
    for at in ([-0.1, 3.0], [3.0, -0.1], [32.0, 3.0], [3.0, 32.0]):
        assert not shown(torch.tensor([[[at]]]), pictures, 32, 2).any()


def test_a_view_that_a_row_lacks_shows_nothing():
    pictures = torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0]], dtype=torch.bool)
    assert not shown(torch.tensor([[[NOWHERE, [3.0, 3.0]]]]), pictures, 32, 2).any()


def test_the_loss_is_of_the_weights_where_it_is_seen():
    weights = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]]]).log()
    seen = torch.tensor([[[True, True, False], [False, False, False]]])
    assert float(look_loss(weights, seen)) == pytest.approx(-math.log(0.75))
    assert float(look_loss(weights, torch.zeros_like(seen))) == 0.0


def test_words_are_not_looked_at_and_a_new_part_changes_nothing():
    torch.manual_seed(0)
    look, queries, prompt = Look(8), torch.randn(2, 3, 4, 8), torch.randn(2, 5, 8)
    pictures = torch.tensor([[1, 1, 0, 0, 0], [0, 1, 1, 1, 0]], dtype=torch.bool)
    out, weights = look(queries, prompt, pictures)
    assert torch.equal(out, queries)
    torch.testing.assert_close((weights.exp() * pictures[:, None]).sum(-1), torch.ones(2, 3))
    torch.nn.init.normal_(look.out.weight)
    other = torch.where(pictures[..., None], prompt, torch.randn(2, 5, 8))
    assert torch.equal(look(queries, other, pictures)[0], look(queries, prompt, pictures)[0])
