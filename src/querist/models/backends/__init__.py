"""One optional package a file: how models reach scikit-learn's and PyTorch's states."""
