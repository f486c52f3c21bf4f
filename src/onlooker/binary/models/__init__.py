"""Networks whose convolutions are binary, one family a file; each file opens with its paper.

All take pictures ``(N, 3, H, W)`` float32, RGB in [0, 1] (LeNet: ``(N, 1, 28, 28)``), and give logits
``(N, classes)``. A batch norm without scale at their entrance standardises the colours, so that
nothing has to be done to a picture before.
"""
