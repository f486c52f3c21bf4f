"""Run a network: one face over ONNX Runtime; threads are decided once, here."""

from onlooker.runtime.session import open_session, set_threads, threads

__all__ = ["open_session", "set_threads", "threads"]
