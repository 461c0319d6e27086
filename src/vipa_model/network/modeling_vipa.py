"""VIPA-VLA: views and instruction to h_cond (VipaModel), and h_cond to action chunks (VipaForActionPrediction).

    pixels --> vision --> V_sem --.
    pointmap or pixels --> spatial --> V_spa --> fusion (eq. 9) --> projector --> image tokens --.
    instruction --> token embedding ----------------------------------------------> [ prompt | action queries ] -->
    Qwen3 state, noisy chunk, tau --> DiT <-- keys and values <-- h_cond, the hidden states at the queries
    <-----------------'

Batch (dict of tensors; B samples, V views):
    pixels (B, V, h, w, 3) uint8 RGB; pointmap (B, V, hp, wp, 4) float32 (x, y, z m base frame, validity);
    input_ids (B, T) int64; attention_mask (B, T) bool; state (B, S) float32 normalised;
    training: actions (B, H, A) float32 normalised; optional committed, the same as a prefix has them; optional target, tip (B,
    3) m base frame or NaN; optional subtask (B,) int64, -1 unknown; language stages: labels (B, T) int64, -100 where no loss.
    ``features`` (B, V, N_v, d_v) may stand for the vision tower's output (cached frozen features), ``condition`` (B, N_q + P, width)
    for all that comes before the action head.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import WEIGHTS_FILE, VipaConfig
from vipa_model.network import flow_matching
from vipa_model.network.answers import Answers
from vipa_model.network.constants import register_constants
from vipa_model.network.dit import DiT
from vipa_model.network.fusion import Fusion
from vipa_model.network.grounding import Grounding
from vipa_model.network.grounding_conditioning import Aim
from vipa_model.network.language import grown, make_language
from vipa_model.network.look import Look, look_loss, shown
from vipa_model.network.numbers import Numbers
from vipa_model.network.spatial import make_spatial
from vipa_model.network.vision import Projector, make_vision
from vipa_model.network.weights import read_weights, write_weights


class VipaModel(nn.Module):
    """The vision-language part: two encoders, fusion, projector, Qwen3, action queries."""

    def __init__(self, config: VipaConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = make_vision(config.vision)
        self.spatial = make_spatial(config)
        self.fusion = None if self.spatial is None else Fusion(config.fusion, config.vision.width, config.spatial.width)
        self.projector = Projector(config.vision, config.text.width)
        self.language = make_language(config.text, config.vocab)
        self.output = None if config.text.tied else nn.Linear(config.text.width, config.vocab, bias=False)
        self.queries = nn.Parameter(torch.randn(config.head.queries, config.text.width) * 0.02)
        self.grounding = Grounding(config) if config.grounding else None
        self.answers = Answers(config) if config.answers else None
        self.look = Look(config.text.width) if config.look else None
        self.numbers = Numbers(config.text.width) if config.vectors else None
        register_constants(self)

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        mean, std = torch.tensor(self.config.vision.mean), torch.tensor(self.config.vision.std)
        return {"pixel_scale": 1 / (255 * std), "pixel_shift": -mean / std}

    def image_tokens(self, batch: dict[str, Tensor]) -> Tensor:
        """Views to image tokens (B, V * tokens a view, text width)."""
        pixels = batch["pixels"]
        size, views = self.config.vision.image_size, pixels.shape[1]
        if pixels.dtype != torch.uint8 or pixels.ndim != 5 or pixels.shape[2:] != (size, size, 3):
            raise ValueError(
                f"pixels have shape {tuple(pixels.shape)} and type {pixels.dtype}; "
                f"allowed: (B, V, {size}, {size}, 3) uint8"
            )
        if "features" in batch:
            semantic = batch["features"].flatten(0, 1).to(self.pixel_scale.dtype)
        else:
            semantic = self.vision_tokens(pixels)
        if self.spatial is not None:
            rgb = None if self.spatial.needs_depth else pixels.permute(0, 1, 4, 2, 3).to(self.pixel_scale.dtype) / 255
            spatial = self.spatial(rgb, batch.get("pointmap"))
            semantic = self.fusion(semantic, spatial.flatten(0, 1).to(semantic.dtype))
        return self.projector(semantic).unflatten(0, (-1, views)).flatten(1, 2)

    def vision_tokens(self, pixels: Tensor) -> Tensor:
        """The vision encoder alone: pixels (B, V, h, w, 3) uint8 to V_sem (B * V, N_v, d_v)."""
        return self.vision(self.normalised(pixels).flatten(0, 1))

    def normalised(self, pixels: Tensor) -> Tensor:
        """pixels (B, V, h, w, 3) uint8 to (B, V, 3, h, w) float with the configuration's mean and std."""
        normal = torch.addcmul(self.pixel_shift, pixels.to(self.pixel_scale.dtype), self.pixel_scale)
        return normal.permute(0, 1, 4, 2, 3)

    def embed_prompt(self, batch: dict[str, Tensor]) -> Tensor:
        """Token embeddings (B, T, width) with the image features in the placeholders' places."""
        ids = batch["input_ids"]
        words = self.language.embed_tokens(ids)
        images = self.image_tokens(batch).to(words.dtype)
        places = self.pictures(batch)
        order = (places.cumsum(1) - 1).clamp(min=0, max=images.shape[1] - 1)
        return torch.where(
            places[..., None], images.gather(1, order[..., None].expand(-1, -1, images.shape[-1])), words
        )

    def pictures(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, T) bool: which tokens of the prompt are image tokens."""
        return batch["input_ids"] == self.config.text.image_token

    def encode(self, batch: dict[str, Tensor]) -> Tensor:
        """The condition h_cond (B, N_q, width): hidden states at the action queries appended to the prompt.

        With grounding or answers a token more for each of their points, (B, N_q + P, width).
        """
        prompt = self.embed_prompt(batch)
        queries = self.queries.to(prompt.dtype).expand(prompt.shape[0], -1, -1)
        mask = F.pad(batch["attention_mask"], (0, queries.shape[1]), value=True)
        seen, hidden = self.run_language(torch.cat([prompt, queries], 1), mask).split(
            (prompt.shape[1], queries.shape[1]), 1
        )
        if self.look is not None:
            hidden = self.look(hidden[:, None], seen, self.pictures(batch))[0][:, 0]
        if self.pointer is None:
            return hidden
        if self.answers is not None:
            points = self.answers(hidden)
        else:
            points = self.grounding(self.normalised(batch["pixels"]), batch["pointmap"], hidden.mean(1))
        return torch.cat([hidden, points.to(hidden.dtype)], 1)

    @property
    def pointer(self) -> Grounding | Answers | None:
        """What says where target and tip are."""
        return self.grounding if self.answers is None else self.answers

    def run_language(self, embeddings: Tensor, mask: Tensor, turns: Tensor | None = None) -> Tensor:
        """Qwen3 over embeddings (B, T, width), causal, padding (mask (B, T) false) never attended. Hidden states (B,
        T, width).

        turns (B, T) int64: tokens of a turn see those of turn 0 and of their own, as if the others were not there.
        """
        length = embeddings.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        # A padded row attends to itself, so that no row is empty.
        allowed = causal & (mask[:, None] | torch.eye(length, dtype=torch.bool, device=mask.device))
        positions = (mask.long().cumsum(1) - 1).clamp(min=0)
        if turns is not None:
            own = turns[:, :, None] == turns[:, None]
            allowed = allowed & (own | (turns == 0)[:, None])
            positions = (allowed.long().sum(-1) - 1).clamp(min=0)
        return self.language(
            inputs_embeds=embeddings,
            attention_mask={"full_attention": allowed[:, None]},
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token scores (..., vocabulary) of hidden states (..., width)."""
        return hidden @ self.language.embed_tokens.weight.T if self.output is None else self.output(hidden)

    def language_loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Next-token loss on ``labels`` (stages 1 and 2), and how many tokens it gets right.

        With ``turns`` also what is said in numbers, see Numbers: ``vector`` (B, T, 3) m where a question ends, else NaN, and
        ``goal`` (B, 5) of the first of the turns ``query_turn`` (B, I), to each of which the action queries are appended; target and tip
        are (B, I, 3) then. With ``look`` also ``sight`` (B, I, V, 2), where in the views those targets are seen, see data/sights.py.
        """
        prompt, mask, turns, length = self.embed_prompt(batch), batch["attention_mask"], None, batch["labels"].shape[1]
        if "turns" in batch:
            asked, count = batch["query_turn"], len(self.queries)
            queries = self.queries.to(prompt.dtype).repeat(asked.shape[1], 1).expand(len(prompt), -1, -1)
            turns = torch.cat([batch["turns"], asked.repeat_interleave(count, 1)], 1)
            prompt, mask = torch.cat([prompt, queries], 1), F.pad(mask, (0, queries.shape[1]), value=True)
        hidden = self.run_language(prompt, mask, turns)
        labels = batch["labels"][:, 1:]
        keep = labels != -100
        logits = self.logits(hidden[:, : length - 1][keep])
        loss = F.cross_entropy(logits.float(), labels[keep]) if len(logits) else hidden.sum() * 0
        losses = {"language": loss, "token_accuracy": (logits.argmax(-1) == labels[keep]).float().mean()}
        if turns is None:
            return losses | {"loss": loss}
        words, told = hidden[:, :length], hidden[:, length:].unflatten(1, (-1, count))
        if self.look is not None:
            pictures, vision = self.pictures(batch), self.config.vision
            told, weights = self.look(told, words, pictures)
            seen = shown(batch["sight"], pictures, vision.image_size, round(vision.tokens**0.5))
            losses["look"] = look_loss(weights, seen)
            loss = loss + losses["look"]
        if self.numbers is not None:
            losses |= (numbers := self.numbers.losses(words, told[:, 0], batch))
            loss = loss + sum(numbers.values())
        if self.answers is not None:
            points = {name: batch[name].flatten(0, 1) for name in self.answers.names if name in batch}
            losses |= (points := self.answers.losses(self.answers(told.flatten(0, 1)), points))
            loss = loss + sum(points.values())
        return losses | {"loss": loss}

    def pointmap_loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Stage 0 (recurrent): ``points`` (B, V, 2, s, s, 3), ``valid`` (B, V, s, s), ``camera_pose`` (B, V, 7)."""
        from vipa_model.network.spatial_recurrent import pointmap_loss

        rgb = batch["pixels"].permute(0, 1, 4, 2, 3).to(self.pixel_scale.dtype) / 255
        points, confidence, pose = self.spatial.pointmaps(self.spatial(rgb))
        return pointmap_loss(
            points.float(), confidence.float(), pose.float(), batch["points"], batch["valid"], batch["camera_pose"]
        )

    def continue_language(self, embeddings: Tensor, mask: Tensor, cache) -> Tensor:
        """As ``run_language`` of the last embeddings (B, T, width) of a text whose beginning ``cache``, transformers', has seen; mask
        (B, seen + T) is of the whole text."""
        total, seen = mask.shape[1], cache.get_seq_length()
        rows = torch.arange(seen, total, device=mask.device)
        columns = torch.arange(total, device=mask.device)
        allowed = (columns <= rows[:, None]) & (mask[:, None] | (columns == rows[:, None]))
        return self.language(
            inputs_embeds=embeddings,
            attention_mask={"full_attention": allowed[:, None]},
            position_ids=(mask.long().cumsum(1) - 1).clamp(min=0)[:, seen:],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state

    @torch.no_grad()
    def generate(self, batch: dict[str, Tensor], count: int, end: int | None = None) -> Tensor:
        """Greedy continuation of one unpadded prompt (B = 1): up to ``count`` ids (n,), stopping after ``end``. Sampling, beams and
        batches: VipaForConditionalGeneration, transformers' own."""
        from transformers import DynamicCache

        embeddings, cache, out = self.embed_prompt(batch), DynamicCache(), []
        length = embeddings.shape[1]
        for step in range(count):
            mask = torch.ones(1, length + step, dtype=torch.bool, device=embeddings.device)
            token = self.logits(self.continue_language(embeddings, mask, cache)[:, -1]).argmax(-1)
            out.append(token)
            if token.item() == end:
                break
            embeddings = self.language.embed_tokens(token)[:, None]
        return torch.cat(out)

    def extend_vocabulary(self, count: int) -> None:
        """Append ``count`` motion tokens, started at the mean of the existing embeddings. Raises ValueError if done
        before.
        """
        if self.config.motion_tokens:
            raise ValueError(
                f"the vocabulary already has {self.config.motion_tokens} motion tokens; allowed: extend it once"
            )
        self.language.embed_tokens = grown(self.language.embed_tokens, count)
        if self.output is not None:
            self.output = grown(self.output, count)
        self.language.config.vocab_size += count
        self.config.motion_tokens = count


class VipaForActionPrediction(nn.Module):
    """VipaModel with the flow-matching head and the auxiliary heads."""

    def __init__(self, config: VipaConfig) -> None:
        super().__init__()
        self.config = config
        self.model = VipaModel(config)
        self.aim = Aim(config) if config.grounded else None
        leads = 0 if self.aim is None else self.aim.leads
        self.head = DiT(config.head, config.action_dim, config.state_dim, config.text.width, leads)
        self.target_head = nn.Linear(config.text.width, 3) if config.target and not config.grounded else None
        self.subtask_head = nn.Linear(config.text.width, config.subtasks) if config.subtasks else None
        self.new_parts: frozenset[str] = frozenset()  # that start at random, as starting_point knows

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Losses of a batch: 'loss' (total), and 'language' parts when it has ``labels``, else 'flow', 'target',
        'tip', 'subtask'.

        Noise, tau, prefix lengths and hidden states are drawn from ``generator`` (torch's own by default).
        """
        if "labels" in batch:
            return self.model.language_loss(batch)
        if "points" in batch:
            return self.model.pointmap_loss(batch)
        h_cond, actions = self.condition(batch), batch["actions"]
        draw = {"generator": generator, "device": actions.device}
        count, horizon = actions.shape[:2]
        noise = torch.randn(actions.shape, dtype=actions.dtype, **draw)
        tau = torch.rand(count, dtype=actions.dtype, **draw)
        prefix = flow_matching.prefix_mask(torch.randint(0, self.config.head.max_prefix + 1, (count,), **draw), horizon)
        hidden = torch.rand(count, **draw) < self.config.head.state_dropout if self.training else None
        committed = batch.get("committed", actions)
        noisy = torch.where(prefix[..., None], committed, flow_matching.interpolate(actions, noise, tau))
        state = self.state_token(batch["state"], h_cond, hidden)
        velocity = self.head(noisy, state, tau, prefix, *self.head.condition(h_cond))
        losses = {
            "flow": flow_matching.flow_loss(velocity.float(), flow_matching.velocity_target(actions, noise), prefix)
        }
        losses |= self._auxiliary(h_cond, batch)
        extra = sum((v for k, v in losses.items() if k != "flow"), torch.zeros((), device=actions.device))
        return losses | {"loss": losses["flow"] + self.config.aux_weight * extra}

    def condition(self, batch: dict[str, Tensor]) -> Tensor:
        """h_cond (B, N_q + P, width) of a batch: its ``condition``, computed before, or the model's."""
        return batch["condition"] if "condition" in batch else self.model.encode(batch)

    def state_token(self, state: Tensor, h_cond: Tensor, hidden: Tensor | None = None) -> Tensor:
        """The action head's state token (B, head width) of the normalised state (B, S). With grounding or answers it also knows where their
        points lie about the first group's tool, and ends with the numbers that lead the chunk, (B, head width +
        leads), see aim.py. Rows where ``hidden`` (B,) is true do not know their state."""
        token = self.head.embed_state(state, hidden)
        if self.aim is None:
            return token
        more, leads = self.aim(state, h_cond[:, self.config.head.queries :], hidden)
        return torch.cat([token + more, leads.to(token.dtype)], -1)

    @property
    def auxiliary_names(self) -> list[str]:
        """What ``auxiliary`` gives, in its order."""
        points = self.config.grounded or ["target"] * (self.target_head is not None)
        return points + ["subtask"] * (self.subtask_head is not None)

    def auxiliary(self, h_cond: Tensor) -> dict[str, Tensor]:
        """What the auxiliary heads read from h_cond: 'target' and 'tip' (B, 3) metres base frame, 'subtask' (B, count)
        logits."""
        pointer, queries, out = self.model.pointer, self.config.head.queries, {}
        pooled = h_cond[:, :queries].mean(1)
        if pointer is not None:
            for i, name in enumerate(self.config.grounded):
                out[name] = pointer.position(h_cond[:, queries + i])
        elif self.target_head is not None:
            centre = torch.tensor(self.config.spatial.centre, device=pooled.device, dtype=pooled.dtype)
            out["target"] = self.target_head(pooled) * self.config.spatial.scale + centre
        if self.subtask_head is not None:
            out["subtask"] = self.subtask_head(pooled)
        return out

    def _auxiliary(self, h_cond: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        out, losses = self.auxiliary(h_cond), {}
        if self.model.answers is not None:
            losses = self.model.answers.losses(h_cond[:, self.config.head.queries :], batch)
        for point in (out.keys() & batch.keys() & {"target", "tip"}) - losses.keys():
            known = batch[point].isfinite().all(-1, keepdim=True)
            error = (out[point].float() - torch.where(known, batch[point], 0)) / self.config.spatial.scale
            losses[point] = (error.square() * known).sum() / (3 * known.sum()).clamp(min=1)
        if "subtask" in out and "subtask" in batch:
            known = batch["subtask"] >= 0
            losses["subtask"] = F.cross_entropy(out["subtask"].float(), batch["subtask"].clamp(min=0), reduction="none")
            losses["subtask"] = (losses["subtask"] * known).sum() / known.sum().clamp(min=1)
        return losses

    @torch.no_grad()
    def predict_actions(
        self,
        batch: dict[str, Tensor],
        noise: Tensor,
        steps: int | None = None,
        known: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Normalised actions (B, H, A) from ``noise`` (B, H, A).

        known (B, H, A) and lengths (B,): committed prefixes; their steps come back unchanged.
        """
        h_cond = self.condition(batch)
        keys, values = self.head.condition(h_cond)
        state = self.state_token(batch["state"], h_cond)
        prefix = flow_matching.prefix_mask(
            torch.zeros(len(noise), dtype=torch.long, device=noise.device) if lengths is None else lengths,
            noise.shape[1],
        )
        known = torch.zeros_like(noise) if known is None else known
        return flow_matching.integrate(
            lambda x, tau: self.head(x, state, tau, prefix, keys, values),
            noise,
            steps or self.config.head.steps,
            known,
            prefix,
        )

    def save_pretrained(self, folder: str | Path, tensors: dict[str, Tensor] | None = None) -> None:
        """Write config.json and model.safetensors, or several files with an index where they pass 5 GB. tensors: others than the
        model's own, by the same names."""
        self.config.save_pretrained(folder)
        write_weights(self.state_dict() if tensors is None else tensors, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> VipaForActionPrediction:
        """Read what ``save_pretrained`` wrote, in evaluation mode. Raises ValueError for a file that is damaged or of
        another configuration."""
        model = cls(VipaConfig.from_pretrained(folder))
        try:
            model.load_state_dict(read_weights(Path(folder)))
        except RuntimeError as error:
            raise ValueError(f"{Path(folder) / WEIGHTS_FILE}: {' '.join(str(error).split())[:300]}") from None
        return model.eval()

    @classmethod
    def from_internvl(cls, folder: str | Path, config: VipaConfig | None = None) -> VipaForActionPrediction:
        """Start from an InternVL checkpoint folder, see ``internvl.load_internvl``."""
        from vipa_model.network.internvl import load_internvl

        return load_internvl(cls, folder, config)
