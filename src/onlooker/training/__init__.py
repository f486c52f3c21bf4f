"""What two tasks or more share in training: the loop, recipes, export to ONNX. Needs PyTorch."""
