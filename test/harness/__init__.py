"""What the end-to-end tests stand on: a daemon in namespaces of its own, raw HTTP, command lines, images."""
