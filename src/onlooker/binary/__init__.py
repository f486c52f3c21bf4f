"""Binary networks: weights and activations of one bit each.

Training side (PyTorch): ``quantizers``, ``layers``, ``binarize``, ``models``, ``counting``.

Papers: Yang et al. 2017, "BMXNet: an open-source binary neural network implementation based on
MXNet"; Bethge et al. 2019, "Back to Simplicity: how to train accurate BNNs from scratch?"; Bethge
et al. 2020, "MeliusNet: an improved network architecture for binary neural networks".
"""
