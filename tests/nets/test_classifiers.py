"""The classifier whose features are measured with."""

import torch

from coursework.nets.classifiers import ConvClassifier


def test_classifier_s_head_reads_its_features():
    net = ConvClassifier(7, 16, (8, 8))
    x = torch.rand(3, 8, 8)
    torch.testing.assert_close(net(x), net.features(x) @ net.head.weight.T + net.head.bias)
