"""The interface of the 3-D encoders, and the choice among them."""

from __future__ import annotations

from torch import Tensor, nn

from vipa_model.configuration_vipa import VipaConfig


class SpatialEncoder(nn.Module):
    """Views to 3-D tokens V_spa.

    ``forward(pixels, pointmap)``: pixels (B, V, 3, h, w) float, RGB in [0, 1], None when ``needs_depth``; pointmap (B,
    V, hp, wp, 4) float32, x y z (metres, base frame) and validity, as ``images.lift_depth`` makes it, or None when the
    encoder needs none. Returns (B, V, N_s, d_s). ``needs_depth`` tells whether ``pointmap`` is read (and pixels not).
    """

    needs_depth = False

    def forward(self, pixels: Tensor | None, pointmap: Tensor | None) -> Tensor:
        raise TypeError(f"{type(self).__name__} has no forward: SpatialEncoder is an interface")


def make_spatial(config: VipaConfig) -> SpatialEncoder | None:
    """The encoder ``config.spatial.kind`` names; None for ``none``, the InternVL baseline without fusion."""
    kind = config.spatial.kind
    if kind == "pointmap":
        from vipa_model.network.spatial_pointmap import PointmapEncoder

        return PointmapEncoder(config.spatial, config.vision.image_size)
    if kind == "colour":
        from vipa_model.network.spatial_pointmap import ColourEncoder

        return ColourEncoder(config.spatial, config.vision.image_size)
    if kind == "recurrent":
        from vipa_model.network.spatial_recurrent import RecurrentEncoder

        return RecurrentEncoder(config.spatial)
    if kind == "cut3r":
        from vipa_model.network.spatial_cut3r import Cut3rEncoder

        return Cut3rEncoder(config.spatial)
    return None
