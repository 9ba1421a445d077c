"""The nets of the syllabus: sizes, range, and a judge that looks at each image alone."""

import torch

from coursework.nets.adversarial import ImageGenerator, ImageJudge


def test_the_sizes_of_the_syllabus():
    generator, judge = ImageGenerator(100, batch_norm=False), ImageJudge()
    sizes = [tuple(p.shape) for p in generator.parameters() if p.dim() == 2]
    assert sizes == [(128, 100), (256, 128), (512, 256), (1024, 512), (784, 1024)]
    assert [tuple(p.shape) for p in judge.parameters() if p.dim() == 2] == [(512, 784), (256, 512), (1, 256)]


def test_images_stay_in_range_whatever_the_latents():
    images = ImageGenerator(5, (6, 7), 4)(1e4 * torch.randn(50, 5))
    assert images.abs().max() <= 1
    assert images.std() > 0.1


def test_a_score_depends_on_its_own_image_alone():
    judge = ImageJudge(4, (5,))
    x = torch.randn(3, 4)
    moved = x.clone()
    moved[1] += 1
    assert torch.equal(judge(x)[[0, 2]], judge(moved)[[0, 2]])
    assert judge(x)[1] != judge(moved)[1]
    torch.testing.assert_close(judge(x[1]), judge(x)[1])
