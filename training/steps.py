"""The loop that trains the models of voices, and the command line that both share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.conversations import make_pool

if TYPE_CHECKING:
    from collections.abc import Callable

HIGHEST_RATE = 4e-3
SMOOTHING = 0.02  # of the loss that is shown
TELL_EVERY, KEEP_EVERY = 50, 500


@dataclass(frozen=True)
class Course:
    """How many steps, which share of them the learning rate rises, and how long a gradient may be."""

    steps: int
    rising: float
    longest_gradient: float


def descend(
    model: nn.Module, optimizer: torch.optim.Optimizer, course: Course, loss_at: Callable[[int], Tensor], path: Path
) -> None:
    """Train a model by the loss at each step (from 1), and keep its weights at `path`."""
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, HIGHEST_RATE, total_steps=course.steps, pct_start=course.rising
    )
    model.train()
    average: float | None = None
    for step in range(1, course.steps + 1):
        loss = loss_at(step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), course.longest_gradient)
        optimizer.step()
        schedule.step()
        now = float(loss.detach())
        average = now if average is None else average + SMOOTHING * (now - average)
        if step % TELL_EVERY == 0:
            print(f"step {step}: loss {average:.3f}", flush=True)
        if step % KEEP_EVERY == 0 or step == course.steps:
            torch.save(model.state_dict(), path)
    model.eval()


def main(description: str | None, train: Callable[[Path, int], object], steps: int) -> None:
    """Read the command line, make the material unless it is there, and train."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, default=Path("build/voices"), help="where the material is kept")
    parser.add_argument("--each", type=int, default=20, help="utterances of each speaker")
    parser.add_argument("--steps", type=int, default=steps)
    arguments = parser.parse_args()
    if not (arguments.folder / "utterances.json").exists():
        make_pool(arguments.folder, arguments.each)
    train(arguments.folder, arguments.steps)
