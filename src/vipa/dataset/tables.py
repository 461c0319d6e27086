"""Parquet tables of a dataset, made and read with pyarrow alone."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vipa.dataset.spec import Feature
from vipa.errors import VipaError

_TYPES = {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}


def column(values: np.ndarray, feature: Feature) -> pa.Array:
    """(T, n) numbers as a column: plain for one element, a list of fixed size for more."""
    kind = _TYPES[feature.dtype]
    flat = pa.array(np.ascontiguousarray(values, feature.dtype).reshape(-1), kind)
    return flat if feature.size == 1 else pa.FixedSizeListArray.from_arrays(flat, feature.size)


def values(array: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column as (T, n), or (T,) for a plain one."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_fixed_size_list(array.type):
        return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), array.type.list_size)
    if pa.types.is_list(array.type):
        return np.array(array.to_pylist())
    return array.to_numpy(zero_copy_only=False)


def write(table: pa.Table, path: Path) -> None:
    """Writes `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary, compression="snappy")
    os.replace(temporary, path)


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Raises VipaError if `path` is no readable table."""
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise VipaError(f"{path}: {' '.join(str(error).split())}") from None


def names_table(names: list[str], number: str) -> pa.Table:
    """A table of `names` and their place in the column `number`, as pandas writes a frame that is indexed by name."""
    index = "__index_level_0__"

    def described(name, kind, numpy_kind):
        return {
            "name": name,
            "field_name": name or index,
            "pandas_type": kind,
            "numpy_type": numpy_kind,
            "metadata": None,
        }

    pandas = {
        "index_columns": [index],
        "column_indexes": [
            {
                "name": None,
                "field_name": None,
                "pandas_type": "unicode",
                "numpy_type": "object",
                "metadata": {"encoding": "UTF-8"},
            }
        ],
        "columns": [described(number, "int64", "int64"), described(None, "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    table = pa.table({number: pa.array(range(len(names)), pa.int64()), index: pa.array(names, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def read_names(path: Path) -> list[str]:
    """The names of such a table, in the order of their place. pandas calls the column as it likes, and so does LeRobot."""
    if not path.is_file():
        return []
    table = read(path)
    index = [n for n in table.column_names if n.endswith("_index")]
    names = [
        n
        for n in table.column_names
        if pa.types.is_string(table.schema.field(n).type) or pa.types.is_large_string(table.schema.field(n).type)
    ]
    if len(index) != 1 or len(names) != 1:
        raise VipaError(
            f"{path}: columns {', '.join(table.column_names)}; allowed: names, and their place in one that ends in _index"
        )
    order = np.argsort(table.column(index[0]).to_numpy(), kind="stable")
    found = table.column(names[0]).to_pylist()
    return [found[i] for i in order]
