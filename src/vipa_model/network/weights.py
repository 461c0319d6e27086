"""The tensors of a checkpoint folder: one safetensors file, or several with an index as transformers writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vipa_model.checked import read_json
from vipa_model.checksums import verify_if_listed
from vipa_model.configuration_vipa import WEIGHTS_FILE

SHARD = "5GB"
INDEX_FILE = f"{WEIGHTS_FILE}.index.json"


def weight_files(folder: Path) -> list[str]:
    """Names of the files that hold the tensors of ``folder``. Raises FileNotFoundError without any, ValueError for an index that
    names a file outside of it."""
    if (folder / WEIGHTS_FILE).is_file():
        return [WEIGHTS_FILE]
    if not (folder / INDEX_FILE).is_file():
        raise FileNotFoundError(f"{folder / WEIGHTS_FILE} is missing; allowed: a folder written by vipa train")
    places = read_json(folder / INDEX_FILE).get("weight_map")
    names = sorted(set(places.values())) if isinstance(places, dict) else []
    outside = [n for n in names if not isinstance(n, str) or Path(n).name != n]
    if outside or not names:
        raise ValueError(
            f"{folder / INDEX_FILE} names {outside or 'no files'}; allowed: weight_map with files beside it"
        )
    return names


def read_weights(folder: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of ``folder`` whose names begin with ``prefix``, on the CPU. Raises FileNotFoundError, or ValueError for a file
    that is damaged or is not the one that SHA256SUMS lists."""
    return dict(_tensors(Path(folder), prefix))


def write_weights(tensors: dict[str, Tensor], folder: Path, most: int | str = SHARD) -> None:
    """Write ``tensors`` to ``folder``, in files of ``most`` bytes at most; files of an earlier save are replaced."""
    parts = split_torch_state_dict_into_shards(
        tensors, max_shard_size=most, filename_pattern=WEIGHTS_FILE.replace(".safetensors", "{suffix}.safetensors")
    )
    for name, keys in parts.filename_to_tensors.items():
        save_file(
            {k: tensors[k].detach().contiguous().cpu() for k in keys},
            folder / name,
            None if len(parts.filename_to_tensors) == 1 else {"format": "pt"},
        )
    old = {*folder.glob("model-*-of-*.safetensors"), folder / WEIGHTS_FILE, folder / INDEX_FILE}
    kept = {folder / name for name in parts.filename_to_tensors}
    if parts.is_sharded:
        index = {"metadata": parts.metadata, "weight_map": parts.tensor_to_filename}
        (folder / INDEX_FILE).write_text(json.dumps(index, indent=1) + "\n", "utf-8")
        kept.add(folder / INDEX_FILE)
    for path in old - kept:
        path.unlink(missing_ok=True)


def _tensors(folder: Path, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name in weight_files(folder):
        verify_if_listed(folder, name)
        try:
            with safe_open(folder / name, "pt") as file:
                for key in file.keys():
                    if key.startswith(prefix):
                        yield key, file.get_tensor(key)
        except (SafetensorError, FileNotFoundError) as error:
            raise ValueError(f"{folder / name}: {' '.join(str(error).split())[:300]}") from None
