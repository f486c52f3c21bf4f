"""Run a network: one face over ONNX Runtime; threads are decided once, here."""

from onlooker.runtime.session import Network, open_session, set_threads, threads

__all__ = ["Network", "open_session", "set_threads", "threads"]
