"""Generative models from electrostatics: the front door, whose names are imported when used."""

__version__ = "0.2.0"

_NAMES = {
    "core": "generator",
    "engine.checkpoint": "load_run save_run",
    "engine.conditions": "Bound Guided",
    "engine.contract": "check_method",
    "engine.sharing": "Flow flow_of",
    "engine.solvers": "bits_per_dim decode encode generate log_prob",
    "engine.steps": "Multistep",
    "engine.training": "Recipe Run steps",
    "methods.drifting": "Drifting",
    "methods.efm": "EFM translate",
    "methods.equilibrium": "EquilibriumMatching",
    "methods.flow_matching": "FlowMatching",
    "methods.ifm": "IFM OTIFM",
    "methods.pfgm": "PFGM",
    "methods.pfgmpp": "PFGMpp",
    "methods.potential": "Potential",
    "methods.vapo": "VAPO",
    "methods.vpfb": "VPFB",
    "nets.precondition": "Precondition",
    "tools.compare": "compare",
    "tools.data": "load_data",
    "tools.evaluation": "evaluate",
    "tools.metrics": "judge",
    "tools.plots": "image_grid scatter",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_HOMES)


def __getattr__(name):
    "A name of the front door, imported from the module where it lives."
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
