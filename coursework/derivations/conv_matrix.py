"""A convolution as a matrix: its entries, and its gradients as a matrix and as a kernel."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad


def convolve(
    kernel: Float[Tensor, "height width"], x: Float[Tensor, "row column"], *, circular: bool = False
) -> Float[Tensor, "out_row out_column"]:
    """Torch's convolution (no kernel flip) of one channel; circular, the image goes on around the edge."""
    if circular:
        x = pad(x[None, None], (0, kernel.shape[1] - 1, 0, kernel.shape[0] - 1), mode="circular")[0, 0]
    return conv2d(x[None, None], kernel[None, None])[0, 0]


def conv_matrix(
    kernel: Float[Tensor, "height width"], rows: int, columns: int, *, circular: bool = False
) -> Float[Tensor, "out in"]:
    """The matrix M with M vec(x) = vec(conv(x)) for images of rows × columns pixels, read row by row.

    M[(i, j), (p, q)] = kernel[p − i, q − j] where that lies inside the kernel, else 0; indices modulo rows and columns
    if circular. Blocks repeat along the diagonals, and so do the entries inside a block: doubly block-Toeplitz
    (circular: doubly block-circulant).
    """
    height, width = kernel.shape
    out_rows, out_columns = (rows, columns) if circular else (rows - height + 1, columns - width + 1)
    matrix = kernel.new_zeros(out_rows, out_columns, rows, columns)
    i, j = torch.meshgrid(torch.arange(out_rows), torch.arange(out_columns), indexing="ij")
    for k in range(height):
        for ell in range(width):
            matrix[i, j, (i + k) % rows, (j + ell) % columns] += kernel[k, ell]
    return matrix.reshape(out_rows * out_columns, rows * columns)


def by_matrix(kernel: Float[Tensor, "height width"], x: Float[Tensor, "row column"]) -> Float[Tensor, "out 1"]:
    """The convolution as a product of the matrix with the image in one column."""
    return conv_matrix(kernel, *x.shape) @ x.reshape(-1, 1)


def by_layer(kernel: Float[Tensor, "height width"], x: Float[Tensor, "row column"]) -> Float[Tensor, "out 1"]:
    """The convolution by torch, in one column."""
    return convolve(kernel, x).reshape(-1, 1)


def count_nonzero(rows: int, columns: int, height: int, width: int) -> int:
    """Entries of the matrix that the kernel reaches, counted on the matrix of a kernel of ones."""
    return int(conv_matrix(torch.ones(height, width), rows, columns).count_nonzero())


def kernel_gradient(
    outer: Float[Tensor, "out_row out_column"], x: Float[Tensor, "row column"]
) -> Float[Tensor, "height width"]:
    """∂L/∂kernel from ∂L/∂output: the image convolved with `outer`."""
    return convolve(outer, x)


def tied_gradient(
    outer: Float[Tensor, "out_row out_column"], x: Float[Tensor, "row column"]
) -> Float[Tensor, "height width"]:
    """The same from the gradient for a free matrix, ∂L/∂M = outer xᵀ: summed over the entries that are one weight."""
    by_entry = (outer.reshape(-1, 1) @ x.reshape(1, -1)).reshape(*outer.shape, *x.shape)
    height, width = (size - out + 1 for size, out in zip(x.shape, outer.shape, strict=True))
    i, j = torch.meshgrid(torch.arange(outer.shape[0]), torch.arange(outer.shape[1]), indexing="ij")
    sums = [by_entry[i, j, i + k, j + ell].sum() for k in range(height) for ell in range(width)]
    return torch.stack(sums).reshape(height, width)


def autograd_gradient(
    outer: Float[Tensor, "out_row out_column"], x: Float[Tensor, "row column"]
) -> Float[Tensor, "height width"]:
    """The same by reverse mode through torch's convolution."""
    height, width = (size - out + 1 for size, out in zip(x.shape, outer.shape, strict=True))
    kernel = torch.zeros(height, width, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(convolve(kernel, x), kernel, outer)[0]
