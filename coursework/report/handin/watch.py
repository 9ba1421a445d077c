"""Two programs after their run, and what they did with the course's functions while they ran."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn


@dataclass
class Scoring:
    """One call of `evaluate_model`: what its optimiser held, and the model's weights before and after it."""

    held: list[Tensor]
    latents: Tensor
    before: str
    after: str


@dataclass
class Watched:
    """What the programs did with the course's functions while they ran."""

    scorings: list[Scoring] = field(default_factory=list)
    maps: list[tuple[Any, Tensor]] = field(default_factory=list)
    pictures: dict[str, Tensor] = field(default_factory=dict)
    labels_read: int = 0
    data_path: Any = "data"


@dataclass
class HandIn:
    """Two programs after their run.

    Attributes:
        auto, variational: their names, as a module or what a script left behind.
        evaluate: the course's module of that name.
        train_set, train_loader, test_set, test_loader: the course's data.
        outcome: of the auto-decoder.
        outcomes: of the variational ones, by family.
        watched: what they called.
    """

    auto: Any
    variational: Any
    evaluate: Any
    train_set: Any
    train_loader: Any
    test_set: Any
    test_loader: Any
    outcome: Any
    outcomes: dict[str, Any]
    watched: Watched

    @classmethod
    def of(
        cls,
        auto: Any,
        variational: Any,
        utils: Any,
        evaluate: Any,
        outcome: Any,
        outcomes: dict[str, Any],
        watched: Watched,
    ) -> "HandIn":
        """What two programs left behind, beside the data that they read, read anew."""
        train_set, train_loader, test_set, test_loader = utils.create_dataloaders(watched.data_path, batch_size=64)
        return cls(
            auto, variational, evaluate, train_set, train_loader, test_set, test_loader, outcome, outcomes, watched
        )

    @property
    def models(self) -> dict[str, Any]:
        """Label to outcome of every model."""
        return {"auto-decoder": self.outcome} | {f"VAD {family}": one for family, one in self.outcomes.items()}


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over names and bytes of all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def watching(utils: Any, evaluate: Any, users: Sequence[Any]) -> Iterator[Watched]:
    """Notes every call of the course's functions by `users`, modules that hold them under the course's names."""
    seen = Watched()
    inside: list[Any] = []
    functions = {
        name: getattr(module, name)
        for module, names in (
            (utils, ("create_dataloaders", "plot_tsne", "save_images")),
            (evaluate, ("evaluate_model",)),
        )
        for name in names
    }

    def create_dataloaders(data_path: Any = "data", **dl_args: Any) -> Any:
        seen.data_path = data_path
        found = functions["create_dataloaders"](data_path, **dl_args)
        labels = found[0].y

        class Shy(type(found[0])):  # type: ignore[misc]
            @property
            def y(self) -> Tensor:
                seen.labels_read += not inside
                return labels

            @y.setter
            def y(self, _value: Tensor) -> None: ...

        found[0].__class__ = Shy
        return found

    def plot_tsne(dataset: Any, latents: Any, file_name: Any, plot_title: str = "t-SNE Plot") -> Any:
        seen.maps.append((dataset, latents))
        inside.append(file_name)
        try:
            return functions["plot_tsne"](dataset, latents, file_name, plot_title)
        finally:
            inside.pop()

    def save_images(images: Tensor, file_name: Any) -> Any:
        seen.pictures[Path(file_name).stem] = images
        return functions["save_images"](images, file_name)

    def evaluate_model(model: nn.Module, dl: Any, opt: Any, latents: Tensor, epochs: int, device: Any) -> float:
        before = weights_hash(model)
        score = functions["evaluate_model"](model, dl, opt, latents, epochs, device)
        held = [parameter for group in opt.param_groups for parameter in group["params"]]
        seen.scorings.append(Scoring(held, latents, before, weights_hash(model)))
        return score

    wrapped = {f.__name__: f for f in (create_dataloaders, plot_tsne, save_images, evaluate_model)}
    places = [(user, name) for user in (utils, evaluate, *users) for name in wrapped if hasattr(user, name)]
    for user, name in places:
        setattr(user, name, wrapped[name])
    try:
        yield seen
    finally:
        for user, name in places:
            setattr(user, name, functions[name])
