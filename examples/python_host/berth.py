# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
"""Berth's loader by ctypes: copy this file beside your host. berth/host.h explains each function."""
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p, sizeof

OK, ERR_STILL_MAPPED, ERR_DEFERRED = 0, 5, 12  # berth_status: after these three a plugin is gone
METERING = ("not", "partly", "whole")
OUTCOMES = ("refused", "destroyed", "zombie", "kept")


class Sized(Structure):
    """Berth's structs begin with their size, as the caller knows it. Newer libraries have longer ones, and fill ours."""

    def __init__(self, **fields):
        super().__init__(struct_size=sizeof(self), **fields)


class Survivors(Structure):
    _fields_ = [("usable_size", c_size_t), ("blocks", c_size_t), ("bytes", c_size_t)]


class Misuse(Structure):  # Berth fills it, and we only look
    _fields_ = [("struct_size", c_uint32), ("kind", c_uint32), ("called", c_void_p), ("owner", c_void_p),
                ("address", c_void_p), ("size", c_size_t), ("message", c_char_p)]


class LoadOptions(Sized):
    """Zero is the default of each: LoadOptions(quota_bytes=1 << 20)."""
    MisuseHandler = CFUNCTYPE(None, c_void_p, POINTER(Misuse))
    _fields_ = [("struct_size", c_uint32), ("name", c_char_p), ("span_bytes", c_size_t), ("quota_bytes", c_size_t),
                ("hardening", c_uint32), ("huge_pages", c_uint32), ("flags", c_uint32),
                ("on_misuse", MisuseHandler), ("on_misuse_context", c_void_p),
                ("on_pressure", c_void_p), ("on_pressure_context", c_void_p), ("user_data", c_void_p),
                ("realtime_bytes", c_size_t), ("realtime_threads", c_uint32), ("require_plugin_info", c_uint32),
                ("global_symbols", c_uint32), ("private_copy", c_uint32), ("check_threads", c_uint32),
                ("keep_copy", c_uint32), ("release", c_uint32), ("route", c_uint32), ("check_references", c_uint32),
                ("reserved", c_uint32), ("sample_bytes", c_size_t)]


class ErrorInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("status", c_uint32), ("cause", c_uint32), ("plugin", c_char * 64),
                ("text", c_char * 512)]


class Statistics(Sized):
    _fields_ = [("struct_size", c_uint32), ("threads", c_uint32), ("span_bytes", c_size_t),
                ("committed_bytes", c_size_t), ("peak_committed_bytes", c_size_t), ("quota_bytes", c_size_t),
                ("live_bytes", c_size_t), ("live_blocks", c_size_t), ("allocations", c_uint64),
                ("deallocations", c_uint64), ("remote_deallocations", c_uint64), ("failed_allocations", c_uint64)]


class UnloadReport(Sized):
    _fields_ = [("struct_size", c_uint32), ("outcome", c_uint32), ("status", c_uint32), ("cause", c_uint32),
                ("nanoseconds", c_uint64), ("live_blocks", c_size_t), ("live_bytes", c_size_t),
                ("returned_bytes", c_size_t), ("survivors", Survivors * 8), ("plugin", c_char * 64),
                ("cause_text", c_char * 256), ("detach_error", c_char * 256)]


class Error(Exception):
    def __init__(self, info):
        super().__init__(info.text.decode())
        self.status, self.cause = info.status, info.cause


def _library():
    library = ctypes.CDLL("libberth.so.0")
    # Without its types ctypes takes a pointer for an int, and cuts it in half.
    for name, result, *arguments in (
            ("host_create", c_uint32, POINTER(c_void_p)), ("host_destroy", c_uint32, c_void_p),
            ("host_load", c_uint32, c_void_p, c_char_p, POINTER(LoadOptions), POINTER(c_void_p), POINTER(ErrorInfo)),
            ("host_unload", c_uint32, c_void_p, c_void_p, c_uint32, POINTER(UnloadReport), POINTER(ErrorInfo)),
            ("loaded_plugin_symbol", c_void_p, c_void_p, c_char_p), ("loaded_plugin_name", c_char_p, c_void_p),
            ("loaded_plugin_instance", c_void_p, c_void_p), ("loaded_plugin_metering", c_uint32, c_void_p),
            ("loaded_plugin_enter", c_uint32, c_void_p), ("loaded_plugin_leave", None, c_void_p),
            ("instance_stats", c_uint32, c_void_p, POINTER(Statistics))):
        function = getattr(library, "berth_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_berth = _library()


class Host:
    """with Host() as host: plugin = host.load(path); ...; report = plugin.unload()"""

    def __enter__(self):
        self._handle = c_void_p()
        if _berth.berth_host_create(byref(self._handle)) != OK:
            raise MemoryError("no memory for a host")
        return self

    def __exit__(self, *_):
        _berth.berth_host_destroy(self._handle)  # unloads what is left

    def load(self, path, options=None):
        plugin, error = c_void_p(), ErrorInfo()
        options = options or LoadOptions()
        if _berth.berth_host_load(self._handle, str(path).encode(), byref(options), byref(plugin), byref(error)) != OK:
            raise Error(error)
        return Plugin(self._handle, plugin, options)


class Plugin:
    def __init__(self, host, handle, options):
        self._host, self._handle = host, handle
        self._options = options  # holds the handlers, which Berth calls as long as the plugin lives
        self.name = _berth.berth_loaded_plugin_name(handle).decode()

    def call(self, name, signature, *arguments):
        """Calls an exported function; meanwhile nobody can unload the plugin."""
        address = _berth.berth_loaded_plugin_symbol(self._handle, name.encode())
        if not address:
            raise AttributeError(f"{self.name} exports no {name}")
        if _berth.berth_loaded_plugin_enter(self._handle) != OK:
            raise RuntimeError(f"{self.name} is being unloaded")
        try:
            return signature(address)(*arguments)
        finally:
            _berth.berth_loaded_plugin_leave(self._handle)

    def metering(self):
        return METERING[_berth.berth_loaded_plugin_metering(self._handle)]

    def statistics(self):
        now = Statistics()
        _berth.berth_instance_stats(_berth.berth_loaded_plugin_instance(self._handle), byref(now))
        return now

    def unload(self, timeout_ms=1000):
        """Raises Error where it was refused (a thread is inside): the plugin is then as it was."""
        report, error = UnloadReport(), ErrorInfo()
        status = _berth.berth_host_unload(self._host, self._handle, timeout_ms, byref(report), byref(error))
        if status not in (OK, ERR_STILL_MAPPED, ERR_DEFERRED):
            raise Error(error)
        return report
