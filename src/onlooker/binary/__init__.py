"""Binary networks: weights and activations of one bit each.

    network ──binarize, train──▶ latent weights ──converter──▶ packed file ──engine──▶ logits

Training side (PyTorch): ``quantizers``, ``layers``, ``gradients``, ``binarize``, ``models``,
``counting``, ``converter``. Using side: ``format`` is the packed file; ``engine`` runs it by
``native`` kernels, or by ``reference``, which is NumPy and says what is right; ``onnx_export``
writes its float equivalent.

Papers: Yang et al. 2017, "BMXNet: an open-source binary neural network implementation based on
MXNet"; Bethge et al. 2019, "Back to Simplicity: how to train accurate BNNs from scratch?"; Bethge
et al. 2020, "MeliusNet: an improved network architecture for binary neural networks".
"""
