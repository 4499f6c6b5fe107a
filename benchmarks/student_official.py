"""The official student in PyTorch, for `benchmarks.student_speed` alone: run by another Python.

Rebuilt from the specification, layer for layer as the published modules have it: position and pose
laid beside the features of every pixel, a 1 x 1 convolution, sin(30 x). Arguments: the character's
folder, a .npy file of poses, how many threads. Each line on standard input is the index of a pose;
answered with the wall and CPU seconds that its frame took, from pose to bytes in memory.
"""

import itertools
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))  # that Python has nothing of ours installed

from stages.networks.weights import load_weights


class Sine(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(before, after, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(30.0 * self.linear(x))


def position(size: int) -> torch.Tensor:
    identity = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    return functional.affine_grid(identity, [1, 1, size, size], align_corners=False).permute(
        0, 3, 1, 2
    )


def with_pose(parts: list[torch.Tensor], pose: torch.Tensor, size: int) -> torch.Tensor:
    planes = pose[:, :, None, None].expand(-1, -1, size, size)
    return torch.cat([*parts, position(size), planes], dim=1)


class Face(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.siren = nn.Module()
        self.siren.sine_layers = nn.ModuleList([Sine(41, 128), *(Sine(128, 128) for _ in range(7))])
        self.siren.last_linear = nn.Conv2d(128, 4, 1)

    def forward(self, pose: torch.Tensor) -> torch.Tensor:
        x = with_pose([], pose, 128)
        for layer in self.siren.sine_layers:
            x = layer(x)
        return self.siren.last_linear(x)


class Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = ((47, 360, 360, 180), (227, 180, 180, 90), (137, 90, 90, 90))
        self.siren_layers = nn.ModuleList(
            nn.ModuleList(Sine(a, b) for a, b in itertools.pairwise(level)) for level in widths
        )
        self.last_linear = nn.Conv2d(90, 7, 1)

    def forward(self, image: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        x = None
        for size, level in zip((128, 256, 512), self.siren_layers, strict=True):
            parts = []
            if x is not None:
                parts = [functional.interpolate(x, size=(size, size), mode="bilinear")]
            x = with_pose(parts, pose, size)
            for layer in level:
                x = layer(x)
        field = self.last_linear(x)
        grid = (position(512) + field[:, :2]).permute(0, 2, 3, 1)
        warped = functional.grid_sample(
            image, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return (1 - field[:, 2:3]) * warped + field[:, 2:3] * field[:, 3:]


def prepared(path: Path) -> torch.Tensor:
    rgba = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]] / 255.0
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    image = np.concatenate([linear * alpha, alpha], axis=2) * 2 - 1
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))


def shown(image: torch.Tensor) -> np.ndarray:
    unit = ((image[0] + 1) / 2).clip(0, 1)
    colour = unit[:3]
    curve = torch.where(
        colour <= 0.003130804953560372, 12.92 * colour, 1.055 * colour ** (1 / 2.4) - 0.055
    )
    rgba = torch.cat([curve, unit[3:]]).permute(1, 2, 0)
    return (rgba * 255).round().to(torch.uint8).numpy()


def main() -> None:
    folder, poses, threads = Path(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    face, body = Face(), Body()
    for module, name in ((face, "face_morpher"), (body, "body_morpher")):
        state = load_weights(folder / f"{name}.pt")
        module.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    image = prepared(folder / "character.png")
    print("ready", flush=True)
    with torch.no_grad():
        for line in sys.stdin:
            pose = torch.from_numpy(poses[int(line)][None])
            wall, cpu = time.perf_counter(), time.process_time()
            pasted = image.clone()
            pasted[:, :, 80:208, 192:320] = face(pose[:, :39])
            shown(body(pasted, pose))
            print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
