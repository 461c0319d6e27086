"""An InternVL3.5 folder: our model without its spatial part says what transformers' own does, word for word and loss for loss."""

import types

import numpy as np
import pytest

from helpers.tiny_internvl import IMAGE_TOKEN, VIEW_TOKENS, make_internvl, normalised, prompt
from helpers.tiny_model import tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.processing.processing_vipa import VipaProcessor  # noqa: E402
from vipa_model.processing.tokenization_vipa import FolderTokenizer  # noqa: E402
from vipa_model.training.stages import set_stage  # noqa: E402


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def pair(request, tmp_path_factory):
    """(folder, transformers' model, ours without spatial encoder)."""
    folder = tmp_path_factory.mktemp("internvl")
    theirs = make_internvl(folder, request.param)
    ours = VipaForActionPrediction.from_internvl(folder, tiny_config("none")).eval()
    return folder, theirs, ours


def test_logits_and_loss_are_those_of_transformers(pair):
    _, theirs, ours = pair
    batch = prompt()
    with torch.no_grad():
        wanted = theirs(
            input_ids=batch["input_ids"], pixel_values=normalised(ours, batch["pixels"]), labels=batch["labels"]
        )
        inner = ours.model
        hidden = inner.run_language(inner.embed_prompt(batch), batch["attention_mask"])
        torch.testing.assert_close(inner.logits(hidden), wanted.logits, atol=2e-5, rtol=1e-4)
        losses = ours(batch)
    torch.testing.assert_close(losses["loss"], wanted.loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(losses["language"], wanted.loss, atol=1e-5, rtol=1e-5)
    right = (wanted.logits[:, -5:-1].argmax(-1) == batch["labels"][:, -4:]).float().mean()
    assert losses["token_accuracy"] == right


def test_every_tensor_is_the_folders(pair):
    _, theirs, ours = pair
    found, tied = ours.model, theirs.lm_head.weight is theirs.get_input_embeddings().weight
    for mine, other in (
        (found.vision.tower, theirs.model.vision_tower),
        (found.projector, theirs.model.multi_modal_projector),
        (found.language, theirs.model.language_model),
    ):
        for name, value in other.state_dict().items():
            assert torch.equal(mine.state_dict()[name], value), name
    assert ours.config.text.tied == tied and (found.output is None) == tied
    if not tied:
        assert torch.equal(found.output.weight, theirs.lm_head.weight)


def test_an_output_of_its_own_trains_in_stage_two_and_grows(pair):
    _, theirs, ours = pair
    ours = VipaForActionPrediction.from_internvl(pair[0], tiny_config("none", motion_tokens=12))
    assert ours.config.vocab == 312 and len(ours.model.language.embed_tokens.weight) == 312
    torch.testing.assert_close(ours.model.language.embed_tokens.weight[:300], theirs.get_input_embeddings().weight)
    set_stage(ours, "2")
    ours(prompt())["loss"].backward()
    if ours.model.output is not None:
        assert ours.model.output.weight.shape == (312, 32) and ours.model.output.weight.grad.abs().max() > 0
    with pytest.raises(ValueError, match="extend it once"):
        ours.model.extend_vocabulary(3)


def test_the_prompt_is_internvls_chat(pair):
    """As transformers' tokenizer and processor of the folder write it."""
    from transformers import AutoTokenizer
    from transformers.models.internvl.processing_internvl import InternVLProcessor

    folder, _, ours = pair
    tokenizer = AutoTokenizer.from_pretrained(folder)
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Where is the black mug?"}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    own = types.SimpleNamespace(
        start_image_token="<img>", end_image_token="</img>", image_token="<IMG_CONTEXT>", image_seq_length=VIEW_TOKENS
    )
    block = InternVLProcessor.replace_image_token(own, {"num_patches": [1]}, 0)
    wanted = tokenizer.encode(text.replace("<IMG_CONTEXT>", block), add_special_tokens=False)
    processor = VipaProcessor(ours.config, FolderTokenizer(folder))
    assert processor.ids(["Where is the black mug?"], 2) == wanted
    assert processor.tokenizer.end == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert processor.tokenizer.decode(processor.tokenizer.encode("left, 0.20m")) == "left, 0.20m"
    processor.max_tokens = 64
    ids, mask = processor.prompt("pick", 2)
    assert (np.asarray(ids) == IMAGE_TOKEN).sum() == 2 * VIEW_TOKENS and mask.sum() < len(ids)
