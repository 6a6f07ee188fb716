"""Show what a conversion does to a tensor, to photographs and on a GPU: `make demo`. No GPU is needed."""

import numpy as np
import torch
from scipy import ndimage
from skimage import data

import interop


def main() -> None:
    print(f"interop {interop.__version__}, torch {torch.__version__}, NumPy {np.__version__}")
    tensor_and_back()
    photographs_through_scipy()
    to_the_gpu()


def tensor_and_back() -> None:
    title("Convert a tensor to an array, and back")
    tensor = torch.tensor([[0, 3, 3, 6], [2, 9, 1, 9], [7, 4, 2, 9], [8, 4, 2, 1]])
    array = interop.to_numpy(tensor)
    back = interop.to_torch(array)
    for name, x in {"tensor": tensor, "array": array, "back": back}.items():
        print(f"{name:<8}{full_name(x):<15}shape {tuple(x.shape)}, {x.dtype}")
    print(array)
    say("tensor to array", interop.explain(tensor, "numpy"))
    say("array to back", interop.explain(array, "torch"))

    array[0, 0] = 42
    print(f"After array[0, 0] = 42, tensor[0, 0] is {tensor[0, 0]} and back[0, 0] is {back[0, 0]}.")
    print("All three share one memory.")
    assert tensor[0, 0] == back[0, 0] == 42


def photographs_through_scipy() -> None:
    title("Blur a batch of photographs with SciPy, and convert it back to torch")
    photographs = [interop.to_torch(image) for image in (data.camera(), data.moon())]
    batch = torch.stack(photographs) / 255
    blurred = ndimage.gaussian_filter(interop.to_numpy(batch), sigma=2, mode="mirror", axes=(1, 2))
    result = interop.to_torch(blurred)
    print(
        f"two photographs of shape {tuple(photographs[0].shape)}, stacked to {batch.dtype} {tuple(batch.shape)}"
    )
    say("batch to SciPy", interop.explain(batch, "numpy"))
    say("SciPy to torch", interop.explain(blurred, "torch"))
    say("upside down", interop.explain(blurred[:, ::-1], "torch"))

    difference = (result - blur_by_hand(batch, sigma=2)).abs().max()
    print(f"A blur written in torch differs from SciPy's by at most {difference:.0e}.")
    assert difference < 1e-5
    assert interop.shares_memory(blurred, result)


def to_the_gpu() -> None:
    title("Convert a tensor to a GPU array")
    tensor = torch.arange(4.0)
    try:
        say("tensor to CuPy", interop.explain(tensor, "cupy"))
        assert float(interop.to_cupy(tensor).sum()) == float(tensor.sum())
    except (interop.DeviceUnavailableError, interop.FrameworkNotInstalledError) as error:
        print(f"{type(error).__name__}: {error}")


# Helpers


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def full_name(x: object) -> str:
    return f"{type(x).__module__}.{type(x).__name__}"


def say(what: str, plan: interop.Plan) -> None:
    cost = "zero-copy" if plan.zero_copy else f"{plan.bytes_copied:,} bytes copied"
    print(f"{what:<18}{cost}, because {plan.reason}")


def blur_by_hand(images: torch.Tensor, sigma: int) -> torch.Tensor:
    """Blur images with a Gaussian, first along the columns and then along the rows."""
    reach = 4 * sigma  # SciPy cuts the kernel off at the same distance
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    bell /= bell.sum()
    padded = torch.nn.functional.pad(images[:, None], (reach,) * 4, mode="reflect")
    columns = torch.nn.functional.conv2d(padded, bell.view(1, 1, -1, 1))
    return torch.nn.functional.conv2d(columns, bell.view(1, 1, 1, -1))[:, 0]


if __name__ == "__main__":
    main()
